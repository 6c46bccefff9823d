"""What may enter a shard: mutations and queries against the features it keeps, before either is used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from storage.errors import InvalidField, InvalidRequest, UnknownFeature
from storage.keypoints import check_keypoints
from storage.keys import check_image_id
from storage.local_search import LocalParams
from storage.placement import shard_of
from storage.types import DeleteImage, FeatureQuery, FeatureRows, FeatureSpec, Mutation, PutImage, Vectors
from storage.vectors import row_dtype, row_width

MAX_OPERATION_ID = 1024
UNIT_TOLERANCE = 1e-3

Specs = Mapping[str, FeatureSpec]


def check_mutation(mutation: Mutation, specs: Specs, shard: int, shard_count: int) -> None:
    """Raises `InvalidRequest`, saying which image and what is wrong with it."""
    if not 1 <= len(mutation.operation_id) <= MAX_OPERATION_ID:
        raise InvalidField(
            f"an operation id of {len(mutation.operation_id)} characters", f"use 1 to {MAX_OPERATION_ID} characters"
        )
    image_id = mutation.record.id if isinstance(mutation, PutImage) else mutation.id
    check_image_id(image_id)
    home = shard_of(image_id, shard_count)
    if home != shard:
        raise InvalidRequest(f"image {image_id!r} belongs to shard {home}, not {shard}", "ask that shard")
    if isinstance(mutation, DeleteImage):
        return
    _check_features(image_id, mutation.features, specs)
    if isinstance(mutation, PutImage):
        _check_states(mutation, specs)


def _check_features(image_id: str, features: Mapping[str, FeatureRows], specs: Specs) -> None:
    for name, feature in features.items():
        spec = specs.get(name)
        if spec is None:
            raise UnknownFeature(f"image {image_id!r}: no feature {name!r} here", f"this shard keeps {_names(specs)}")
        where = f"feature {name!r} of image {image_id!r}"
        check_rows(where, feature.rows, spec)
        if feature.query_rows is not None:
            check_rows(f"query rows of {where}", feature.query_rows, spec)
        if spec.kind == "local":
            check_keypoints(where, feature.rows, feature.extras)
        elif not len(feature.rows):
            raise InvalidRequest(f"{where} has no row", "leave it pending instead")


def _check_states(mutation: PutImage, specs: Specs) -> None:
    record = mutation.record
    unknown = sorted(set(record.features) - set(specs))
    if unknown:
        raise UnknownFeature(
            f"image {record.id!r}: no feature {unknown[0]!r} here", f"this shard keeps {_names(specs)}"
        )
    ready = {name for name, state in record.features.items() if state == "ok"}
    if ready != set(mutation.features):
        raise InvalidRequest(
            f"image {record.id!r} says {sorted(ready)} are ready but comes with {sorted(mutation.features)}",
            "give the rows of the features that are ok, and of no other",
        )


def check_rows(where: str, rows: Vectors, spec: FeatureSpec) -> None:
    """Raises `InvalidRequest` unless the rows are (R, D) of the feature's type, finite, and unit vectors where its
    metric needs that.
    """
    width, dtype = row_width(spec), row_dtype(spec)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != width or rows.dtype != dtype:
        found = f"{rows.shape} {rows.dtype}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise InvalidRequest(f"{where}: rows are {found}, not (R, {width}) {dtype}", "compute it with this version")
    if rows.dtype == np.uint8:
        return
    if not np.isfinite(rows).all():
        raise InvalidRequest(f"{where}: not all numbers are finite", "compute it again")
    if spec.metric == "cosine" and (np.abs(np.linalg.norm(rows, axis=1) - 1) > UNIT_TOLERANCE).any():
        raise InvalidRequest(f"{where}: rows are not of unit length", "normalise them")


def check_query(query: FeatureQuery, specs: Specs) -> str | None:
    """Why this shard cannot answer the query, or None where it can."""
    spec = specs.get(query.feature)
    if spec is None:
        return f"this shard has no feature {query.feature!r}"
    if query.k < 1:
        return f"k is {query.k}, not at least 1"
    try:
        check_rows("the query", query.rows, spec)
        if spec.kind == "local":  # a picture without texture has no keypoint, and is like no other
            check_keypoints("the query", query.rows, query.extras)
            LocalParams.of(query.params)
            return None
    except InvalidRequest as failure:
        return failure.message
    return None if len(query.rows) else "the query has no row"


def _names(specs: Specs) -> str:
    return ", ".join(sorted(specs)) or "none"
