"""What is near to what within a shard, for groups of the same picture.
No groups: those span shards, and are made in ``graph/duplicates``.
"""
