"""What requests say, what bounds them, and the steps that all of them share: decoding, and asking shards.
No kind of request: those are in ``graph/catalog`` and ``graph/search``.
"""
