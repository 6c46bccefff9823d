"""The pictures that a search asks with: as they are stored, with all that was computed of them, or decoded anew."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from deployments.extractor import ImageInput
from deployments.pictures.prepared import PreparedPicture
from graph.judging.colors import SIDE
from graph.judging.hypotheses import Picture, stored_picture
from graph.ports.batching import all_of
from graph.requests.shards import Shards, image_not_found, outcome_of
from storage.errors import LookalikeError
from storage.operations.features import WholePictures
from storage.operations.pictures import IdsOfBytes
from storage.types.features import FeatureRows

GRAY = ImageInput("gray")  # what is compared pixel by pixel
COLORS = ImageInput("rgb", (SIDE, SIDE))
COMPARED = (GRAY, COLORS)
NOTHING = np.zeros((1, 1), np.uint8)  # of a picture that was stored without its file


@dataclass(frozen=True, slots=True, eq=False)
class QueryPicture:
    """sha256: of its bytes, empty where they are not known. picture: to be compared with others. prepared: of one that
    was decoded. stored, absent: of one that is stored, what it has of the asked features, and what it is not to have.
    """

    sha256: str
    picture: Picture
    prepared: PreparedPicture | None = None
    stored: Mapping[str, FeatureRows] | None = None
    absent: frozenset[str] = frozenset()

    def is_whole(self, asked: Sequence[str]) -> bool:
        """Whether all of the asked features are stored, and there is something to be compared."""
        return self.stored is not None and self.stored.keys() >= set(asked) and self.picture.gray is not NOTHING


def decoded(prepared: PreparedPicture) -> QueryPicture:
    facts = prepared.facts
    colors = prepared.forms.get(COLORS)
    rgb = None if colors is None else lambda: colors
    picture = Picture((facts.width, facts.height), prepared.forms.get(GRAY, NOTHING), rgb)
    return QueryPicture(facts.sha256, picture, prepared=prepared)


async def stored(image_id: str, asked: Sequence[str], shards: Shards, *, timeout_s: float) -> QueryPicture:
    """Raises ImageNotFound, and what a shard raises that does not answer."""
    [found] = await shards.of(image_id).ask(WholePictures((image_id,), tuple(asked)), timeout_s=timeout_s)
    if found is None:
        raise image_not_found(image_id)
    record, features, thumbnail = found
    size = record.width, record.height
    return QueryPicture(
        record.sha256,
        stored_picture(size, thumbnail) or Picture(size, NOTHING),
        stored=features,
        absent=frozenset(name for name in asked if record.features.get(name) == "absent"),
    )


async def stored_with_bytes(
    image: bytes, asked: Sequence[str], shards: Shards, *, timeout_s: float
) -> QueryPicture | None:
    """A picture that is stored with these very bytes; None where there is none that has all of the asked features."""
    sha256 = (await asyncio.to_thread(hashlib.sha256, image)).hexdigest()
    question = IdsOfBytes(len(image), sha256)
    found = await all_of([outcome_of(shard.ask(question, timeout_s=timeout_s)) for shard in shards])
    for image_id in chain.from_iterable(ids for ids in found if not isinstance(ids, LookalikeError)):
        known = await outcome_of(stored(image_id, asked, shards, timeout_s=timeout_s))
        if not isinstance(known, LookalikeError) and known.sha256 == sha256 and known.is_whole(asked):
            return known
    return None
