"""Searching by words: what a row is, the vocabulary, the inverted index, how answers are scored.
No store, and no reading of pictures.
"""
