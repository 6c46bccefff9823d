"""Which shard an image belongs to. Part of the data format: changing it loses every stored image."""

from __future__ import annotations

import hashlib


def shard_of(image_id: str, shard_count: int) -> int:
    """Shard of the id, 0 to ``shard_count - 1``: the first 8 bytes of its UTF-8 text's BLAKE2b digest, big-endian,
    modulo the shards.

    The same on every machine and in every process, unlike Python's own hash.
    """
    digest = hashlib.blake2b(image_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shard_count
