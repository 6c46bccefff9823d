"""One store and its indexes as one thing: opening, changing, searching, being asked; the data folder around shards.
No Ray, and no other process: whatever asks a shard is above.
"""
