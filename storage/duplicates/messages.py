"""Questions for the pictures near to a picture, and their answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.types.features import BinaryVectors

Rank = tuple[int, int, str]  # the smaller it is, the larger the picture


def rank_of(width: int, height: int, byte_size: int, image_id: str) -> Rank:
    """Orders pictures by which is worth keeping: by pixels, then by bytes, then by id. Of two pictures one always is
    before the other. An imported picture of unknown size has no pixels, so it comes last.
    """
    return (-width * height, -byte_size, image_id)


@dataclass(frozen=True, slots=True, eq=False)
class NearPicture:
    """A stored picture as a search for copies sees it.

    handle: in its shard. path: of the file that it was indexed from. views: (V, D) what a search with it asks with, its
    own row first. distance: in bits, to the picture that was asked about.
    """

    handle: int
    id: str
    width: int
    height: int
    byte_size: int
    sha256: str
    path: str | None
    views: BinaryVectors = field(repr=False)
    distance: int = 0

    @property
    def rank(self) -> Rank:
        return rank_of(self.width, self.height, self.byte_size, self.id)


@dataclass(frozen=True, slots=True, eq=False)
class NearQuery:
    """Which pictures are near to this one, itself left out?

    views: (V, D) as of a `NearPicture`. larger, nearest: how many are wanted at most of those that come before it in
    `rank_of`'s order, and of those that are nearest. sha256: of its bytes; those that have them count as nearest of all
    then, however many hashes are equal.
    """

    id: str
    rank: Rank
    views: BinaryVectors = field(repr=False)
    larger: int
    nearest: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class NearAnswer:
    """count, larger_count: near pictures of this shard, and those of them that come before the one asked about.
    larger: the first in order. nearest: nearest first.
    """

    count: int
    larger_count: int
    larger: tuple[NearPicture, ...]
    nearest: tuple[NearPicture, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NearQuestions:
    """What a shard is asked at once. views: how many of each picture's views count. max_distance: in bits. inverses: by
    view, which view of the other picture leads back; empty where each leads back itself.
    """

    feature: str
    views: int
    max_distance: int
    queries: tuple[NearQuery, ...]
    inverses: tuple[int, ...] = ()


NOTHING_NEAR = NearAnswer(0, 0, (), ())
