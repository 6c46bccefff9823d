"""Versions of the models of features in the ``meta`` table of a shard: what each was made with, and which role it has.

feature:<key>       fingerprint, kind, dim, metric, and the options that it was made with
generations:<name>  key in use, key of the following one, keys that were replaced and not dropped yet
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from storage.encoding.records import decode_fields, encode_fields
from storage.kv.store import ReadTransaction, WriteTransaction
from storage.tables.model_versions import ModelVersions
from storage.tables.schema import META
from storage.tables.trained import put_partition, put_whitening
from storage.types.features import FeatureSpec

_FEATURE_KEY = b"feature:"
_ROLES_KEY = b"generations:"


def stored_fingerprints(transaction: ReadTransaction) -> dict[str, str]:
    """Fingerprint by key of every version the shard has a table for, configured or not."""
    return {key: str(fields["fingerprint"]) for key, fields in _entries(transaction, _FEATURE_KEY)}


def stored_versions(transaction: ReadTransaction, names: Iterable[str]) -> ModelVersions:
    """The versions of these features, as far as the shard has any whose spec it knows."""
    fields = dict(_entries(transaction, _FEATURE_KEY))
    specs = {key: _spec(key, one) for key, one in fields.items() if "kind" in one}
    roles = dict(_entries(transaction, _ROLES_KEY))
    in_use, following, replaced = {}, {}, {}
    for name in names:
        role = roles.get(name, {})
        if (key := role.get("in_use", name)) in specs:
            in_use[name] = key
        if role.get("following") in specs:
            following[name] = role["following"]
        replaced[name] = [key for key in role.get("replaced", ()) if key in specs]
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
    put_whitening(transaction, key, None)
    put_partition(transaction, key, None)
    transaction.delete(META, _FEATURE_KEY + key.encode())


def roleless_keys(transaction: ReadTransaction, names: Iterable[str], versions: ModelVersions) -> list[str]:
    """Versions of these features that are not among ``versions``: their removal has not come to its end."""
    managed = set(names) & dict(_entries(transaction, _ROLES_KEY)).keys()
    stored = stored_fingerprints(transaction)
    return [key for key in stored if versions.name_of(key) in managed and key not in versions.specs]


def put_roles(transaction: WriteTransaction, versions: ModelVersions, name: str) -> None:
    """Keeps which of the feature's versions is which."""
    roles = {
        "in_use": versions.in_use.get(name),
        "following": versions.following.get(name),
        "replaced": list(versions.replaced.get(name, ())),
    }
    transaction.put(META, _ROLES_KEY + name.encode(), encode_fields(roles))


def _spec(key: str, fields: Mapping[str, Any]) -> FeatureSpec:
    return FeatureSpec(key, fields["kind"], int(fields["dim"]), fields["metric"], str(fields["fingerprint"]))


def _entries(transaction: ReadTransaction, prefix: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in transaction.items(META, prefix):
        if not key.startswith(prefix):
            return
        yield key[len(prefix) :].decode(), decode_fields(value)
