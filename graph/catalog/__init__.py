"""What the service does with pictures and says of itself, by extractors and shards; and all its parts together.
No HTTP and no Ray: plain asyncio over ``graph/ports``.
"""
