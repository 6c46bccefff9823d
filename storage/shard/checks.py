"""What may enter a shard: mutations and queries against the features it keeps, before either is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from storage.encoding.keys import check_image_id
from storage.errors import InvalidField, InvalidRequest, UnknownFeature
from storage.index.query_expansion import ROW_WEIGHTS
from storage.index.vector_index import check_rows
from storage.keypoints.keypoint_rows import check_keypoints
from storage.keypoints.search import LocalParams
from storage.shard.each import queries_of_each
from storage.shard.mutations import mutation_id
from storage.shard.placement import shard_of
from storage.tables.model_versions import ModelVersions, mismatch
from storage.types.features import FeatureRows
from storage.types.mutations import (
    AddFeatures,
    DeleteImage,
    FillFeatures,
    Mutation,
    PutImage,
    RemoveFeatures,
    UpdateSource,
)
from storage.types.searches import FeatureQuery
from storage.words.word_search import WordParams, check_words

MAX_OPERATION_ID = 1024


def check_mutation(mutation: Mutation, versions: ModelVersions, shard: int, shard_count: int) -> None:
    """Raises `InvalidRequest`, saying which image and what is wrong with it."""
    if not 1 <= len(mutation.operation_id) <= MAX_OPERATION_ID:
        raise InvalidField(
            f"an operation id of {len(mutation.operation_id)} characters", f"use 1 to {MAX_OPERATION_ID} characters"
        )
    image_id = mutation_id(mutation)
    check_image_id(image_id)
    home = shard_of(image_id, shard_count)
    if home != shard:
        raise InvalidRequest(f"image {image_id!r} belongs to shard {home}, not {shard}", "ask that shard")
    if isinstance(mutation, DeleteImage | UpdateSource):
        return
    if isinstance(mutation, RemoveFeatures):
        _check_known(image_id, mutation.features, versions)
        return
    _check_features(image_id, mutation.features, versions)
    annotations = mutation.annotations if isinstance(mutation, FillFeatures) else mutation.record.annotations
    _check_annotations(image_id, annotations, versions)
    if not isinstance(mutation, FillFeatures):
        _check_states(mutation, versions)


def _check_features(image_id: str, features: Mapping[str, FeatureRows], versions: ModelVersions) -> None:
    """Rows of a version that is not kept here are left out later, so they are not looked at."""
    for name, feature in features.items():
        if name not in versions.names or name in versions.annotations:
            raise _unknown(image_id, name, versions)
        key = versions.key_of(name, feature.fingerprint)
        if key is None:
            continue
        spec = versions.specs[key]
        where = f"feature {name!r} of image {image_id!r}"
        check_rows(where, feature.rows, spec)
        if feature.query_rows is not None:
            check_rows(f"query rows of {where}", feature.query_rows, spec)
        if spec.kind == "local":
            check_keypoints(where, feature.rows, feature.extras)
        elif spec.kind == "words":
            check_words(where, feature.rows, feature.extras)
        elif not len(feature.rows):
            raise InvalidRequest(f"{where} has no row", "leave it pending instead")


def _check_annotations(image_id: str, annotations: Mapping[str, Any], versions: ModelVersions) -> None:
    unknown = sorted(set(annotations) - versions.annotations)
    if unknown:
        kept = ", ".join(sorted(versions.annotations)) or "none"
        raise UnknownFeature(f"image {image_id!r}: no annotation {unknown[0]!r} here", f"this shard keeps {kept}")


def _check_known(image_id: str, names: Iterable[str], versions: ModelVersions) -> None:
    unknown = sorted(set(names) - set(versions.names))
    if unknown:
        raise _unknown(image_id, unknown[0], versions)


def _check_states(mutation: PutImage | AddFeatures, versions: ModelVersions) -> None:
    record = mutation.record
    _check_known(record.id, record.features, versions)
    ready = {name for name, state in record.features.items() if state == "ok"}
    brought = {*mutation.features, *record.annotations}
    if ready != brought:
        raise InvalidRequest(
            f"image {record.id!r} says {sorted(ready)} are ready but comes with {sorted(brought)}",
            "give the rows of the features that are ok, and of no other",
        )


def _unknown(image_id: str, name: str, versions: ModelVersions) -> UnknownFeature:
    kept = ", ".join(versions.names) or "none"
    return UnknownFeature(f"image {image_id!r}: no feature {name!r} here", f"this shard keeps {kept}")


def check_query(query: FeatureQuery, versions: ModelVersions) -> str | None:
    """Why this shard cannot answer the query, or None where it can."""
    return next((reason for one in queries_of_each(query) if (reason := _check_one(one, versions))), None)


def _check_one(query: FeatureQuery, versions: ModelVersions) -> str | None:
    key = versions.key_of(query.feature, query.fingerprint)
    if key is None:
        return _no_version(query, versions)
    spec = versions.specs[key]
    if query.k < 1:
        return f"k is {query.k}, not at least 1"
    try:
        check_rows("the query", query.rows, spec)
        if spec.kind == "local":  # a picture without texture has no keypoint, and is like no other
            check_keypoints("the query", query.rows, query.extras)
            LocalParams.of(query.params)
            return None
        if spec.kind == "words":  # nor is one without words
            WordParams.of(query.params)
            return None
    except InvalidRequest as failure:
        return failure.message
    if not len(query.rows):
        return "the query has no row"
    weights = query.extras.get(ROW_WEIGHTS)
    if weights is not None and (spec.metric != "cosine" or weights.shape != (len(query.rows),)):
        return f"{weights.shape} weights for {len(query.rows)} rows of {query.feature!r}"
    if weights is not None and not np.isfinite(weights).all():
        return "not all weights of the query's rows are finite"
    return None


def _no_version(query: FeatureQuery, versions: ModelVersions) -> str:
    if query.feature in versions.awaited:
        return f"nothing is stored of {query.feature!r} yet: its model has not been loaded here"
    if query.feature not in versions.in_use:
        return f"this shard has no feature {query.feature!r}"
    stored = versions.specs[versions.in_use[query.feature]].fingerprint
    return str(mismatch(query.feature, stored, query.fingerprint))
