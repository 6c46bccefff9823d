"""What the service does, in terms of extractors and shards: pictures, searches, what it says of itself.
No HTTP and no Ray: plain asyncio over ``graph/ports``.
"""
