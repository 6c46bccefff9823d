"""Versions of the models of features in the ``meta`` table of a shard: what each was made with, which role it has, and
what its index was trained to. That is no cache, for the next opening must sort and whiten alike.

feature:<key>       fingerprint, kind, dim, metric, and the options that it was made with
generations:<name>  key in use, key of the following one, keys that were replaced and not dropped yet
whitening:<key>     mean, axes, and how many rows they were trained on
centroids:<key>     of inverted lists, and how many rows they were trained on
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.encoding.feature_rows import decode_rows, encode_rows
from storage.encoding.records import decode_fields, encode_fields
from storage.index.kmeans import Partition
from storage.index.whitening import Whitening
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.model_versions import ModelVersions, feature_of_key
from storage.tables.schema import META
from storage.types.features import FeatureRows, FeatureSpec

_FEATURE_KEY = b"feature:"
_ROLES_KEY = b"generations:"
_WHITENING_KEY = b"whitening:"
_CENTROIDS_KEY = b"centroids:"


def stored_fingerprints(transaction: ReadTransaction) -> dict[str, str]:
    """Fingerprint by key of every version the shard has a table for, configured or not."""
    return {key: str(fields["fingerprint"]) for key, fields in _entries(transaction, _FEATURE_KEY)}


def stored_versions(transaction: ReadTransaction, names: Iterable[str]) -> ModelVersions:
    """The versions of these features, as far as the shard has any whose spec it knows."""
    fields = dict(_entries(transaction, _FEATURE_KEY))
    specs = {
        key: FeatureSpec(key, one["kind"], int(one["dim"]), one["metric"], str(one["fingerprint"]))
        for key, one in fields.items()
        if "kind" in one
    }
    kept = dict(_entries(transaction, _ROLES_KEY))
    roles = {name: kept.get(name, {"in_use": name}) for name in names}
    in_use = {name: role["in_use"] for name, role in roles.items() if role["in_use"] in specs}
    following = {name: role["following"] for name, role in roles.items() if role.get("following") in specs}
    replaced = {name: [key for key in role.get("replaced", ()) if key in specs] for name, role in roles.items()}
    live = {*in_use.values(), *following.values(), *(key for keys in replaced.values() for key in keys)}
    return ModelVersions(
        specs={key: spec for key, spec in specs.items() if key in live},
        in_use=in_use,
        following=following,
        replaced=replaced,
        origins={key: fields[key].get("origin", {}) for key in live},
    )


def put_spec(transaction: WriteTransaction, spec: FeatureSpec, origin: Mapping[str, Any]) -> None:
    """Keeps what a version is; the spec's name is its key."""
    fields = {"fingerprint": spec.fingerprint, "kind": spec.kind, "dim": spec.dim, "metric": spec.metric}
    transaction.put(META, _FEATURE_KEY + spec.name.encode(), encode_fields({**fields, "origin": dict(origin)}))


def forget_version(transaction: WriteTransaction, key: str) -> None:
    """What it was made with, and what its index was trained to."""
    for prefix in (_WHITENING_KEY, _CENTROIDS_KEY, _FEATURE_KEY):
        transaction.delete(META, prefix + key.encode())


def roleless_keys(transaction: ReadTransaction, names: Iterable[str], versions: ModelVersions) -> list[str]:
    """Versions of these features that are not among ``versions``: their removal has not come to its end."""
    managed = set(names) & dict(_entries(transaction, _ROLES_KEY)).keys()
    stored = stored_fingerprints(transaction)
    return [key for key in stored if feature_of_key(key) in managed and key not in versions.specs]


def put_roles(transaction: WriteTransaction, versions: ModelVersions, name: str) -> None:
    """Keeps which of the feature's versions is which."""
    roles = {
        "in_use": versions.in_use.get(name),
        "following": versions.following.get(name),
        "replaced": list(versions.replaced.get(name, ())),
    }
    transaction.put(META, _ROLES_KEY + name.encode(), encode_fields(roles))


def stored_whitening(transaction: ReadTransaction, key: str) -> Whitening | None:
    """None where the version's index is not whitened."""
    value = transaction.get(META, _WHITENING_KEY + key.encode())
    if value is None:
        return None
    kept = decode_rows(value)
    return Whitening(np.asarray(kept.extras["mean"]), np.asarray(kept.rows, np.float32), int(kept.extras["rows"][0]))


def put_whitening(transaction: WriteTransaction, key: str, whitening: Whitening | None) -> None:
    """None forgets it."""
    if whitening is None:
        transaction.delete(META, _WHITENING_KEY + key.encode())
        return
    extras: dict[str, NDArray[Any]] = {"mean": whitening.mean, "rows": np.array([whitening.rows], np.int64)}
    transaction.put(META, _WHITENING_KEY + key.encode(), encode_rows(FeatureRows(whitening.axes, extras=extras)))


def stored_partition(transaction: ReadTransaction, key: str) -> Partition | None:
    """None where the version's index has not been trained."""
    value = transaction.get(META, _CENTROIDS_KEY + key.encode())
    if value is None:
        return None
    kept = decode_rows(value)
    return Partition(np.asarray(kept.rows, np.float32), int(kept.extras["rows"][0]))


def put_partition(transaction: WriteTransaction, key: str, partition: Partition) -> None:
    kept = FeatureRows(partition.centroids, extras={"rows": np.array([partition.rows], np.int64)})
    transaction.put(META, _CENTROIDS_KEY + key.encode(), encode_rows(kept))


def _entries(transaction: ReadTransaction, prefix: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in transaction.items(META, prefix):
        if not key.startswith(prefix):
            return
        yield key[len(prefix) :].decode(), decode_fields(value)
