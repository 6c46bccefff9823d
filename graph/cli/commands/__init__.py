"""One file for each command or group of commands.
No layout of text: that is ``terminal``.
"""
