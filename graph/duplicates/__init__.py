"""Groups of the same picture over all shards, page by page.
No files are moved here: see ``graph/moving``.
"""
