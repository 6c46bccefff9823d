"""The key-value store under a shard: LMDB, and the lock of its folder.
No knowledge of tables or values.
"""
