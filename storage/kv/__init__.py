"""The key-value store under a shard: its contract, LMDB, the lock of its folder.
No knowledge of tables or values.
"""
