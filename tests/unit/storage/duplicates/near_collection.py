"""Made-up pictures, many of them copies of others, in real shards; and which are near to which, the slow way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from storage.duplicates.messages import NearQuery, Rank, rank_of
from storage.types.features import BinaryVectors, FeatureRows
from storage.types.mutations import PutImage
from storage.types.pictures import SourceFile
from tests.unit.storage.samples import PHASH, record

SPECS = (PHASH,)
MIRROR = np.tile(np.packbits(np.arange(8) % 2 == 1), 72)  # flips every other bit, as a mirror does with odd columns


@dataclass(frozen=True, eq=False)
class Made:
    """views: (V, 72); one without a mirrored view was imported."""

    id: str
    width: int
    height: int
    byte_size: int
    views: BinaryVectors
    path: str | None = None

    @property
    def rank(self) -> Rank:
        return rank_of(self.width, self.height, self.byte_size, self.id)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.id.encode()).hexdigest()

    def put(self) -> PutImage:
        source = None if self.path is None else SourceFile(self.path, self.byte_size, 1)
        made = replace(
            record(self.id, {"phash": "ok"}, source=source),
            width=self.width,
            height=self.height,
            byte_size=self.byte_size,
        )
        rows = FeatureRows(self.views[:1], self.views if len(self.views) > 1 else None)
        return PutImage(f"put {self.id}", made, {"phash": rows}, b"thumbnail")

    def query(self, larger: int = 1000, nearest: int = 1000) -> NearQuery:
        return NearQuery(self.id, self.rank, self.views, larger, nearest)


def views_of(code: BinaryVectors, rng: np.random.Generator) -> BinaryVectors:
    """(2, 72): the code, and its mirrored one but for a few bits, as where the medians differ."""
    return np.stack([code, flipped(code ^ MIRROR, 4, rng)])


def flipped(code: BinaryVectors, most: int, rng: np.random.Generator) -> BinaryVectors:
    """Up to ``most`` bits differ."""
    bits = np.unpackbits(code)
    bits[rng.choice(len(bits), rng.integers(0, most + 1), replace=False)] ^= 1
    return np.packbits(bits)


def made_up(seed: int, count: int, *, spread: int = 60, originals: int | None = None) -> list[Made]:
    """Pictures around ``originals`` codes: up to ``spread`` bits from them, or from one another, one in five mirrored,
    some imported; of few different sizes, so that ids decide, too.
    """
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, 256, 72, np.uint8) for _ in range(originals or max(1, count // 3))]
    made = []
    for number in range(count):
        base = codes[rng.integers(0, len(codes))]
        code = flipped(base ^ MIRROR if rng.random() < 0.2 else base, spread, rng)
        if rng.random() < 0.3:
            codes.append(code)  # the next may be near to this one and not to the first
        views = code[None] if rng.random() < 0.1 else views_of(code, rng)
        width, height, byte_size = int(rng.integers(0, 3)) * 100, 100, int(rng.integers(1, 3)) * 1000
        made.append(Made(f"picture {number:03}", width, height, byte_size, views, f"/photos/{number}.jpg"))
    return made


def distance(a: Made, b: Made) -> int:
    """In bits, the slow way; 9999 where only one of the two has been seen mirrored."""
    found = bits(a.views[0], b.views[0])
    if len(a.views) > 1 and len(b.views) > 1:
        found = min(found, max(bits(a.views[1], b.views[0]), bits(b.views[1], a.views[0])))
    return found


def bits(a: BinaryVectors, b: BinaryVectors) -> int:
    return int(np.bitwise_count(a ^ b).sum())


def neighbours(picture: Made, all_pictures: Sequence[Made], most: int) -> dict[str, int]:
    """By id, those within ``most`` bits."""
    return {
        other.id: distance(picture, other)
        for other in all_pictures
        if other is not picture and distance(picture, other) <= most
    }
