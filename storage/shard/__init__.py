"""One store and its indexes as one thing: opening, changing, searching, verifying, and the data folder around shards.
No Ray, and no other process: whatever asks a shard is above.
"""
