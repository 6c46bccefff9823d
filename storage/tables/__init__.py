"""The rows of a shard's store, table by table: what is in them and how they change together.
No index is searched here, and nothing is cached.
"""
