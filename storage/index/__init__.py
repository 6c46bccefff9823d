"""Vector indexes as values: rows in, neighbours out; training and transforming their rows.
No store, no pictures, no knowledge of what a feature means.
"""
