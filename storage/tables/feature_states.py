"""What a picture's row becomes when single features of it come or go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from storage.tables.model_versions import feature_of_key
from storage.types.features import FeatureState
from storage.types.mutations import AddFeatures
from storage.types.pictures import ImageRecord


def has_file(record: ImageRecord) -> bool:
    """Whether the row was made from a picture's file, and not from features alone."""
    return record.width > 0


def merged(stored: ImageRecord, added: AddFeatures) -> ImageRecord | None:
    """The row with the added features; None where it has one of them already, or is of another picture."""
    new = added.record
    brought = {*added.features, *new.annotations}
    if any(stored.features.get(name) == "ok" for name in brought):
        return None
    if has_file(stored) and has_file(new) and stored.sha256 != new.sha256:
        return None
    awaited = [
        name
        for name, state in new.features.items()
        if state == "pending" and stored.features.get(name, "absent") == "absent"
    ]
    facts = stored if has_file(stored) or not has_file(new) else new
    return replace(
        facts,
        added_at=stored.added_at,
        features={**stored.features, **dict.fromkeys(awaited, "pending"), **dict.fromkeys(brought, "ok")},
        metadata={**stored.metadata, **new.metadata},
        annotations={**stored.annotations, **new.annotations},
    )


def looks_alike(stored: ImageRecord, record: ImageRecord) -> bool:
    """Whether a result would show the same of both, and both come from the same file."""
    shown = (record.width, record.height, record.sha256, record.metadata, record.annotations, record.source)
    return shown == (stored.width, stored.height, stored.sha256, stored.metadata, stored.annotations, stored.source)


def without_features(stored: ImageRecord, names: Sequence[str], annotations: frozenset[str]) -> ImageRecord | None:
    """The row after the features have gone; None where nothing but annotations would be left."""
    absent: dict[str, FeatureState] = dict.fromkeys([name for name in names if name in stored.features], "absent")
    left = {**stored.features, **absent}
    if all(state == "absent" for name, state in left.items() if name not in annotations):
        return None
    return replace(stored, features=left)


def states_of_new(record: ImageRecord, names: Iterable[str], *, can_be_read: bool) -> dict[str, FeatureState]:
    """States of features that are kept from now on, of a picture that has none of them.

    can_be_read: whether the picture's bytes can be had. One that came with single features and without them is not
    waited for; a feature that it is not to have stays away when its model changes.
    """
    single = "absent" in record.features.values()
    states: dict[str, FeatureState] = {}
    for name in names:
        feature = feature_of_key(name)
        siblings = [state for key, state in record.features.items() if feature_of_key(key) == feature]
        gone = "absent" in siblings if siblings else single and not can_be_read
        states[name] = "absent" if gone else "pending"
    return states
