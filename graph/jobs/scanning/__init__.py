"""Looking through folders: which files there are, which pictures they are, what is new, changed, moved or gone.
No pixels.
"""
