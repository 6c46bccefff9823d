"""What the service does, in terms of extractors and shards: pictures, searches, ranking, annotations.
No HTTP and no Ray: plain asyncio over ``graph/ports``.
"""
