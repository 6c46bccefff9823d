"""What indexes were trained to, kept in the ``meta`` table: it is no cache, for the next opening must sort and whiten
alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.encoding.feature_rows import decode_rows, encode_rows
from storage.index.kmeans import Partition
from storage.index.whitening import Whitening
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.schema import META
from storage.types.features import FeatureRows

_WHITENING_KEY = b"whitening:"
_CENTROIDS_KEY = b"centroids:"


def stored_whitening(transaction: ReadTransaction, key: str) -> Whitening | None:
    """None where the feature's index is not whitened."""
    value = transaction.get(META, _WHITENING_KEY + key.encode())
    if value is None:
        return None
    kept = decode_rows(value)
    return Whitening(np.asarray(kept.extras["mean"]), np.asarray(kept.rows, np.float32), int(kept.extras["rows"][0]))


def put_whitening(transaction: WriteTransaction, key: str, whitening: Whitening | None) -> None:
    """Keeps it in the store: it is no cache, for the next opening must whiten alike. None forgets it."""
    if whitening is None:
        transaction.delete(META, _WHITENING_KEY + key.encode())
        return
    extras: dict[str, NDArray[Any]] = {"mean": whitening.mean, "rows": np.array([whitening.rows], np.int64)}
    transaction.put(META, _WHITENING_KEY + key.encode(), encode_rows(FeatureRows(whitening.axes, extras=extras)))


def stored_partition(transaction: ReadTransaction, feature: str) -> Partition | None:
    """None where the feature has not been trained."""
    value = transaction.get(META, _CENTROIDS_KEY + feature.encode())
    if value is None:
        return None
    kept = decode_rows(value)
    return Partition(np.asarray(kept.rows, np.float32), int(kept.extras["rows"][0]))


def put_partition(transaction: WriteTransaction, feature: str, partition: Partition | None) -> None:
    """Keeps it in the store: it is no cache, for the next opening must sort rows alike. None forgets it."""
    if partition is None:
        transaction.delete(META, _CENTROIDS_KEY + feature.encode())
        return
    kept = FeatureRows(partition.centroids, extras={"rows": np.array([partition.rows], np.int64)})
    transaction.put(META, _CENTROIDS_KEY + feature.encode(), encode_rows(kept))
