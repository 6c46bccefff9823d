"""A file's bytes to pixels: decoding, the working image, the forms of it that extractors ask for.
No features.
"""
