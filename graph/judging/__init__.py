"""What a result is to the query, and how much speaks for it.
Pure functions over numpy arrays: nothing here asks a shard or an extractor.
"""
