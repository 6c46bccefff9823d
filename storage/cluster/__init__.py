"""A shard in a process of its own: the Ray actor, the fleet of them, the local socket, what a fleet is told.
Nothing here decides what a shard answers; Ray is imported in ``actor`` and ``fleet`` alone.
"""
