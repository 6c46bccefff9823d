"""Which stored features stand for a feature of the service: the one in use, and the one that is to take its place.

When a model changes, the vectors that it made are of no use to the next one. The next *version* of the feature is
then built beside the one in use, with a table and an index of its own, until it takes over. Outside a shard a feature
has one name, and rows say by their fingerprint which version they belong to; inside, each version is a feature
with a name of its own, its *key*: ``global`` for the first, ``global@2`` for the second, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from storage.errors import FingerprintMismatch, InvalidRequest, UnknownFeature
from storage.types.features import FeatureRows, FeatureSpec, FeatureState
from storage.types.mutations import AddFeatures, FillFeatures, Mutation, PutImage, RemoveFeatures
from storage.types.pictures import ImageRecord
from storage.types.reports import VersionRole

MARK = "@"


@dataclass(frozen=True, slots=True)
class ModelVersions:
    """specs: by key; a spec's name is its key. in_use, following: key by feature. replaced: keys that were in use and
    can still be asked, by feature. awaited: features whose spec is not known yet. annotations: what annotators say.
    origins: by key, the options that it was made with, as JSON.
    """

    specs: Mapping[str, FeatureSpec] = field(default_factory=dict)
    in_use: Mapping[str, str] = field(default_factory=dict)
    following: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, Sequence[str]] = field(default_factory=dict)
    awaited: frozenset[str] = frozenset()
    annotations: frozenset[str] = frozenset()
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, specs: Iterable[FeatureSpec]) -> Self:
        """Features that have one version each."""
        by_name = {spec.name: spec for spec in specs}
        return cls(specs=by_name, in_use={name: name for name in by_name})

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that is kept of a picture here, by the names that are used outside."""
        return tuple(sorted({*self.in_use, *self.awaited, *self.annotations}))

    @property
    def kept(self) -> tuple[str, ...]:
        """The keys of all that a new picture is to have."""
        return tuple(sorted({*self.in_use.values(), *self.following.values(), *self.awaited, *self.annotations}))

    def keys_of(self, name: str) -> tuple[str, ...]:
        """Those that can be asked or filled, the one in use first."""
        found = (self.in_use.get(name), self.following.get(name), *self.replaced.get(name, ()))
        return tuple(key for key in found if key is not None)

    def key_of(self, name: str, fingerprint: str = "") -> str | None:
        """The version that rows with this fingerprint belong to; None where there is none."""
        keys = self.keys_of(name)
        if not fingerprint:
            return self.in_use.get(name)
        return next((key for key in keys if self.specs[key].fingerprint == fingerprint), None)

    def unused_key(self, name: str) -> str:
        """A key that no version of the feature has, newer than all of them."""
        numbers = [int(key.partition(MARK)[2] or 1) for key in self.specs if feature_of_key(key) == name]
        return f"{name}{MARK}{max(numbers, default=1) + 1}"

    def with_version(self, key: str, spec: FeatureSpec, origin: Mapping[str, Any]) -> ModelVersions:
        """A version more, in no role yet."""
        return replace(
            self, specs={**self.specs, key: replace(spec, name=key)}, origins={**self.origins, key: dict(origin)}
        )

    def with_role(self, name: str, key: str, role: Literal["in_use", "following"]) -> ModelVersions:
        """The version in this role and in no other. What was in use before is replaced then; so is what followed."""
        before = self.in_use.get(name) if role == "in_use" else self.following.get(name)
        others = {
            "in_use": {one: other for one, other in self.in_use.items() if other != key},
            "following": {one: other for one, other in self.following.items() if other != key},
        }
        others[role][name] = key
        replaced = [other for other in self.replaced.get(name, ()) if other != key]
        if before is not None and before != key:
            replaced.append(before)
        return replace(
            self,
            in_use=others["in_use"],
            following=others["following"],
            replaced={**self.replaced, name: replaced},
            awaited=self.awaited - {name},
        )

    def role_of(self, name: str, key: str) -> VersionRole:
        """What one of the feature's `keys_of` is there for."""
        if self.in_use.get(name) == key:
            return "in_use"
        return "following" if self.following.get(name) == key else "replaced"

    def without(self, key: str) -> ModelVersions:
        """Without a version, whatever its role."""
        return replace(
            self,
            specs={other: spec for other, spec in self.specs.items() if other != key},
            origins={other: origin for other, origin in self.origins.items() if other != key},
            in_use={name: other for name, other in self.in_use.items() if other != key},
            following={name: other for name, other in self.following.items() if other != key},
            replaced={name: [other for other in keys if other != key] for name, keys in self.replaced.items()},
        )

    def shown(self, record: ImageRecord) -> ImageRecord:
        """The record as the outside knows it: one state a feature, of the version in use."""
        states = record.features
        moved = {name: key for name, key in self.in_use.items() if key != name}
        if not moved and not any(MARK in key for key in states):
            return record
        shown: dict[str, FeatureState] = {key: state for key, state in states.items() if MARK not in key}
        shown.update({name: states.get(key, "pending") for name, key in moved.items()})
        return replace(record, features=shown)

    def keyed(self, mutation: Mutation) -> Mutation:
        """The mutation in terms of keys. Rows of a version that is not kept here are left out: that feature of the
        picture is pending, the picture not refused.
        """
        if isinstance(mutation, PutImage | AddFeatures):
            features = self._keyed_rows(mutation.features)
            states: dict[str, FeatureState] = {}
            for name, state in mutation.record.features.items():
                for key in self._kept_keys(name):
                    there = key in features or (state == "ok" and name in self.annotations)
                    dropped = state == "ok" and isinstance(mutation, AddFeatures)  # nobody would compute it again
                    states[key] = "ok" if there else "absent" if dropped or state == "absent" else "pending"
            return replace(mutation, record=replace(mutation.record, features=states), features=features)
        if isinstance(mutation, FillFeatures):
            return replace(mutation, features=self._keyed_rows(mutation.features))
        if isinstance(mutation, RemoveFeatures):
            keys = [key for name in mutation.features for key in (self.keys_of(name) or (name,))]
            return replace(mutation, features=tuple(keys))
        return mutation

    def _kept_keys(self, name: str) -> tuple[str, ...]:
        if name in self.in_use:
            return tuple(key for key in (self.in_use[name], self.following.get(name)) if key is not None)
        return (name,)

    def _keyed_rows(self, features: Mapping[str, FeatureRows]) -> dict[str, FeatureRows]:
        keyed = {}
        for name, rows in features.items():
            key = self.key_of(name, rows.fingerprint)
            if key is not None and key in self._kept_keys(name):
                keyed[key] = rows
        return keyed


def feature_of_key(key: str) -> str:
    """The feature that the version with this key is one of."""
    return key.partition(MARK)[0]


def mismatch(name: str, stored: str, running: str, *, can_move: bool = True) -> FingerprintMismatch:
    """The refusal of rows or queries of another model. can_move: whether the index can be built anew from the pictures
    while the service runs.
    """
    message = f"feature {name!r} was written with {stored!r}, but {running!r} is running"
    if not can_move:
        return FingerprintMismatch(
            message, "run the model and version that wrote it, or index the pictures again into a new data folder"
        )
    # Named in the status of the feature as well, so in words that are right over HTTP and in the shell.
    return FingerprintMismatch(
        message,
        f"a backfill of {name!r} builds the index for the new model beside the old one; or run the old model again",
        f"build the index for the new model beside the old one: lookalike backfill {name}; or run the old model again",
    )


def known_key(versions: ModelVersions, feature: str) -> str:
    """The key of the version in use. Raises `UnknownFeature` where there is none."""
    key = versions.key_of(feature)
    if key is None:
        known = ", ".join(sorted(versions.in_use)) or "none"
        raise UnknownFeature(f"no feature is called {feature!r}", f"the features here are {known}")
    return key


def spec_of_model(versions: ModelVersions, feature: str, fingerprint: str = "") -> FeatureSpec:
    """Of the version that the model's rows belong to, under its key; of the one in use without a fingerprint. Raises
    `UnknownFeature`, `InvalidRequest` where the model has none.
    """
    known_key(versions, feature)
    key = versions.key_of(feature, fingerprint)
    if key is None:
        raise InvalidRequest(f"{feature!r} has no index for {fingerprint!r} here", "train it again")
    return versions.specs[key]
