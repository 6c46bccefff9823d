"""Hugging Face models: loading them, their preprocessing, their towers on CPU and GPU.
No extractor, and no fetching but in ``fetching``.
"""
