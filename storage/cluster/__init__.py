"""A shard in a process of its own: the Ray actor, the fleet of them, the local socket, leases, what actors are told.
Nothing here decides what a shard answers; Ray is imported in ``actor`` and ``fleet`` alone.
"""
