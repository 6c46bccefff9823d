"""Evaluation on the user's own photos: edits of them and which words are right of these, what is asked, what came of
it.
"""
