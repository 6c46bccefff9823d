"""One file for each extractor, and the registry of them all."""
