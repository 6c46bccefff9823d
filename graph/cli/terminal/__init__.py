"""What every command shares: connecting, options, printing, errors in one line.
No command.
"""
