"""What is said of a picture that was found: by each feature, its evidence, and by all of it together, the relation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

Point = tuple[float, float]  # x, y
Outline = tuple[Point, ...]  # top left, top right, bottom right, bottom left
Homography = tuple[tuple[float, float, float], ...]  # three rows

Relation = Literal["same", "edited", "crop", "contains", "overlap", "scene", "similar"]
STRONG: frozenset[Relation] = frozenset({"same", "edited", "crop", "contains", "overlap"})  # those that are proven
PROVEN = 0.5  # the least confidence of a strong relation that counts
Verdict = Literal["match", "similar", "none"]
Relevance = Literal["strong", "likely", "all"]


@dataclass(frozen=True, slots=True)
class Transform:
    """How the stored picture becomes the query: mirrored first, then turned and scaled."""

    mirrored: Annotated[bool, "left to right"]
    rotation_deg: Annotated[float, "clockwise"]
    scale: Annotated[float, "pixels of the query per pixel of the stored picture"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of each picture is in the other, 0 to 1."""

    of_query: Annotated[float, "share of the query that the stored picture shows, too"]
    of_stored: Annotated[float, "share of the stored picture that the query shows, too"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that a relation follows from."""

    name: str
    value: Annotated[float | None, "null where it is no number"]
    says: Annotated[str, "what it means, in words"]


@dataclass(frozen=True, slots=True)
class Changed:
    """Where the two pictures differ."""

    size: Annotated[tuple[int, int], "width and height of the stored picture"]
    boxes: Annotated[tuple[tuple[int, int, int, int], ...], "x, y, width and height, in its pixels"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a result's relation follows from."""

    evidence: tuple[Evidence, ...]
    matches: Annotated[
        tuple[tuple[float, float, float, float], ...],
        "of at most 500 keypoints that agree: x, y in the query, x, y in the stored picture",
    ] = ()
    changed: Annotated[Changed | None, "null where it is not known"] = None


class Match(dict[str, Any]):
    """The evidence of one feature, every field as the service sent it: ``match["distance"]``. The attributes are those
    that this version of the client knows; a feature, or a field, that came later is read by its name.

    It is a `DistanceMatch`, a `WordMatch` or a `KeypointMatch` where it has what one of these promises.
    """

    __slots__ = ()

    @staticmethod
    def of(fields: Mapping[str, Any]) -> Match:
        """The most telling kind that has these fields."""
        kinds = ((KeypointMatch, "inliers"), (WordMatch, "words"), (DistanceMatch, "distance"))
        return next((kind for kind, name in kinds if name in fields), Match)(fields)

    @property
    def rank(self) -> int:
        """Its place in the feature's own list, from 1; equal distances share one."""
        return int(self["rank"])

    @property
    def farther(self) -> float | None:
        """The share of the collection, 0 to 1, that is farther from the query by this feature: how much the distance
        says. None where a shard did not answer, or the service is older than this.
        """
        return self.get("farther")

    @property
    def view(self) -> str | None:
        """In which view of the query it was found: ``as_given``, ``mirrored``, ...; None where there is only one."""
        return self.get("view")

    @property
    def distance(self) -> float | None:
        """How far the pictures are apart, in the feature's own measure."""
        return self.get("distance")

    @property
    def inliers(self) -> int | None:
        """How many keypoints agree; more is better."""
        return self.get("inliers")


class DistanceMatch(Match):
    """Of `phash`, `color`, `global`, `image_text`, and any other feature that measures a distance."""

    __slots__ = ()

    @property
    def distance(self) -> float:
        return float(self["distance"])


@dataclass(frozen=True, slots=True)
class FoundWord:
    """query: the word that was looked for; word: the one in the picture, with its corners in pixels of that. match:
    exact, prefix, misspelt or sounds. confidence: how sure the reading is, 0 to 1.
    """

    query: str
    word: str
    match: str
    confidence: float
    box: Outline


class WordMatch(DistanceMatch):
    """Of `text`."""

    __slots__ = ()

    @property
    def words(self) -> tuple[FoundWord, ...]:
        return tuple(
            FoundWord(word["query"], word["word"], word["match"], word["confidence"], _outline(word["box"]))
            for word in self["words"]
        )


class KeypointMatch(Match):
    """Of `local`."""

    __slots__ = ()

    @property
    def inliers(self) -> int:
        return int(self["inliers"])

    @property
    def homography(self) -> Homography:
        """From pixels of the stored picture to pixels of the query."""
        a, b, c = self["homography"]
        return tuple(a), tuple(b), tuple(c)

    @property
    def box(self) -> Outline:
        """The query's outline in pixels of the stored picture."""
        return _outline(self["box"])


def _outline(corners: list[list[float]]) -> Outline:
    return tuple((x, y) for x, y in corners)
