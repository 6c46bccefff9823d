"""What requests say and are answered, how long they may take, and the steps that they share: decoding, asking shards.
Nothing that serves one kind of request: that is in ``graph/catalog`` and ``graph/search``.
"""
