"""One file for each extractor, and the registry that names them.
No models' insides (``models``), no Ray.
"""
