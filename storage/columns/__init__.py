"""What filters and sorting need of every picture of a shard, in memory, by handle; and which pictures a filter means.
Arrays over all pictures at once, so that a filter takes milliseconds.
"""
