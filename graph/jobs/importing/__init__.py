"""Taking in the data of the original services.
Their formats are read in ``graph/ambience_data``.
"""
