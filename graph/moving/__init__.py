"""Moving the files of duplicates aside and back, with a journal that survives a kill.
No service: it works on files and what the client says.
"""
