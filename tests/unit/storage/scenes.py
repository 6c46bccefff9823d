"""Made-up pictures for local features: keypoints with random descriptors, and how a camera would see them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.index.descriptor_codes import packed
from storage.index.vector_index import VectorIndex
from storage.keypoints.alignment import DescribedKeypoints
from storage.keypoints.keypoint_rows import keypoint_feature
from storage.keypoints.plane_maps import Floats, transformed
from storage.keypoints.search import Located, locate
from storage.shard.shard import Shard
from storage.types.features import FeatureRows, FeatureSpec, Vectors
from storage.types.mutations import OnConflict, PutImage
from storage.types.searches import FeatureQuery, Hit, ShardQuery
from storage.upkeep.factory import build_index
from tests.unit.storage.samples import record

LOCAL = FeatureSpec("local", "local", 128, "inliers", "local-1")
SIZE = (640, 480)


@dataclass(frozen=True, eq=False)
class Scene:
    """N keypoints in a frame of ``size``. levels: (N, 128), 0 to 15."""

    levels: NDArray[np.uint8]
    points: Floats
    sigmas: Floats
    angles: Floats
    size: tuple[int, int] = SIZE

    def taken(self, which: NDArray[np.intp] | slice) -> Scene:
        return Scene(self.levels[which], self.points[which], self.sigmas[which], self.angles[which], self.size)

    def described(self) -> DescribedKeypoints:
        return DescribedKeypoints(self.levels.astype(np.float32), self.points, self.sigmas, self.angles)


def scene(seed: int, count: int = 60, size: tuple[int, int] = SIZE) -> Scene:
    """Keypoints all over a picture, none like those of another seed."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 16, (count, 128), dtype=np.uint8)
    return Scene(levels, rng.random((count, 2)) * size, 2 * np.exp(rng.random(count)), rng.random(count) * 6.28, size)


def joined(scenes: Sequence[Scene]) -> Scene:
    """The keypoints of several in one frame, that of the first."""
    return Scene(
        np.concatenate([one.levels for one in scenes]),
        np.concatenate([one.points for one in scenes]),
        np.concatenate([one.sigmas for one in scenes]),
        np.concatenate([one.angles for one in scenes]),
        scenes[0].size,
    )


def similarity(scale: float = 1.0, turn: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """(3, 3); turn: radians, x to y."""
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]], [0, 0, 1.0]])


def seen(picture: Scene, homography: Floats, size: tuple[int, int] = SIZE, *, noise: int = 1, seed: int = 0) -> Scene:
    """What a camera sees of it in a frame of ``size``: the keypoints within, descriptors up to ``noise`` levels off.
    homography: a similarity.
    """
    rng = np.random.default_rng(seed)
    points = transformed(homography, picture.points)
    scale, turn = np.hypot(*homography[:2, 0]), np.arctan2(homography[1, 0], homography[0, 0])
    offsets = rng.integers(-noise, noise + 1, picture.levels.shape)
    levels = np.clip(picture.levels + offsets, 0, 15).astype(np.uint8)
    inside = np.flatnonzero(((points > 0) & (points < size)).all(axis=1))
    return Scene(levels, points, picture.sigmas * scale, picture.angles + turn, size).taken(inside)


def mirrored(picture: Scene) -> Scene:
    """Its mirror image, left and right exchanged. Descriptors of these pictures are mirrored by reading them
    backwards.
    """
    points = np.stack([picture.size[0] - picture.points[:, 0], picture.points[:, 1]], axis=1)
    return replace(picture, levels=picture.levels[:, ::-1], points=points, angles=np.pi - picture.angles)


def feature(picture: Scene) -> FeatureRows:
    """As it is stored."""
    return keypoint_feature(packed(picture.levels), picture.points, picture.sigmas, picture.angles, picture.size)


def query(picture: Scene, k: int = 10, **params: Any) -> FeatureQuery:
    """As it is asked with, mirror image and all."""
    kept = feature(picture)
    extras = {**kept.extras, "mirrored": packed(picture.levels[:, ::-1])}
    return FeatureQuery("local", kept.rows, k, params=params, extras=extras)


PICTURES = {number: scene(number, count=80) for number in range(12)}  # of the tests' collections, by handle


def index_of(pictures: Mapping[int, Scene]) -> VectorIndex:
    rows: Vectors = np.concatenate([feature(picture).rows for picture in pictures.values()])
    handles = np.repeat(np.array(list(pictures), np.int64), [len(picture.points) for picture in pictures.values()])
    return build_index(LOCAL).with_changes(remove=handles[:0], add=handles, rows=rows)


def search(asked: FeatureQuery, pictures: Mapping[int, Scene] = PICTURES) -> list[Located]:
    return locate(index_of(pictures), asked, lambda handle: feature(pictures[handle]))


def put_scene(
    image_id: str, picture: Scene, *, operation: str | None = None, on_conflict: OnConflict = "error"
) -> PutImage:
    """A put of the picture, whose file is of the size of its frame."""
    made = replace(record(image_id, {"local": "ok"}), width=picture.size[0], height=picture.size[1])
    return PutImage(operation or f"put {image_id}", made, {"local": feature(picture)}, b"", on_conflict)


def find_scene(shard: Shard, asked: FeatureQuery) -> tuple[Hit, ...]:
    (answer,) = shard.search([ShardQuery((asked,))])
    assert answer.errors == {}
    return answer.hits["local"]
