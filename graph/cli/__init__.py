"""The shell command ``lookalike``."""
