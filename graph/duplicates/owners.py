"""Which picture each picture is a duplicate of.

Pictures come in the order of `rank_of`, the largest first. A picture is *kept* unless it is near to one that comes
before it and is kept itself; otherwise the first such picture is its *owner*. So every picture has exactly one answer,
a duplicate is always near to its owner, an owner is never a duplicate, and none of it depends on where one begins: the
answer follows from the picture's neighbours that come before it, from theirs, and so on. (The kept pictures are the
lexicographically first maximal independent set of the graph of near pictures.)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import count

import numpy as np

from graph.duplicates.neighbourhoods import Neighbourhood, Neighbourhoods
from storage.duplicates.messages import NearPicture

LARGER = (8, 2000)  # neighbours asked for at first, and where all of those are duplicates themselves
NEAREST = 16
FEWEST_CALLS = 3  # one after the other, however long they take: the first of a crowd may take long
CROWD = 200  # neighbours, from which on a kept picture is compared with others before they are asked about


class Owners:
    """Found as they are needed, until ``deadline`` (of the monotonic clock); what is open then stays undecided."""

    def __init__(self, neighbourhoods: Neighbourhoods, *, max_distance: int, deadline: float) -> None:
        self._neighbourhoods = neighbourhoods
        self._max_distance = max_distance
        self._deadline = deadline
        self._known: dict[str, Neighbourhood] = {}
        self._owners: dict[str, str | None] = {}
        self._crowded: list[NearPicture] = []
        self._covered: set[str] = set()

    def is_kept(self, picture: NearPicture) -> bool:
        return self._owners.get(picture.id) == picture.id

    def is_undecided(self, picture: NearPicture) -> bool:
        return picture.id not in self._covered and self._owners.get(picture.id) is None

    def is_owned_by(self, picture: NearPicture, owner: NearPicture) -> bool:
        return self._owners.get(picture.id) == owner.id

    def near(self, picture: NearPicture) -> Neighbourhood:
        """Of a picture that is kept."""
        return self._known[picture.id]

    async def decide(self, pictures: Sequence[NearPicture]) -> None:
        """Finds out whether these are kept; not always whose duplicates the others are."""
        await self.settle([one for one in pictures if not self._is_covered(one)])

    async def settle(self, pictures: Iterable[NearPicture]) -> None:
        """Finds the owners of these."""
        open_ones = {one.id: one for one in pictures}
        for asked in count():
            needed = {}
            for one in list(open_ones.values()):
                missing = self._follow(one)
                if missing is None:
                    del open_ones[one.id]
                else:
                    needed[missing.id] = missing
            if not needed or (asked >= FEWEST_CALLS and time.monotonic() > self._deadline):
                return
            await self._learn(list(needed.values()))

    def _follow(self, picture: NearPicture) -> NearPicture | None:
        """Goes from picture to picture as far as what is known leads. Gives the one to be asked about next; None when
        the picture's owner is found, or cannot be. It ends, because each step goes to a picture that comes before.
        """
        path = [picture]
        while path:
            current = path[-1]
            if current.id in self._owners:
                path.pop()
                continue
            known = self._known.get(current.id)
            following = None if known is None else self._following(current, known)
            if following is not None:
                path.append(following)
            elif current.id not in self._owners:
                return current
        return None

    def _following(self, current: NearPicture, known: Neighbourhood) -> NearPicture | None:
        """The neighbour whose owner has to be known first; None where there is none, or the owner is found by now."""
        for other in known.larger:
            if other.id in self._covered:
                continue
            if other.id not in self._owners:
                return other
            owner = self._owners[other.id]
            if owner is None or owner == other.id:
                self._owners[current.id] = owner
                return None
        if not known.is_cut:
            self._owners[current.id] = current.id
            if known.count >= CROWD:
                self._crowded.append(current)
        elif len(known.larger) >= LARGER[-1]:
            self._owners[current.id] = None
        return None

    async def _learn(self, pictures: Sequence[NearPicture]) -> None:
        new = [one for one in pictures if one.id not in self._known]
        cut = [one for one in pictures if one.id in self._known]
        self._known.update(await self._neighbourhoods.of(new, larger=LARGER[0], nearest=NEAREST))
        self._known.update(await self._neighbourhoods.of(cut, larger=LARGER[1], nearest=NEAREST))

    def _is_covered(self, picture: NearPicture) -> bool:
        """Whether a kept picture in a crowd, that comes before this one, is near to it: then nobody need be asked."""
        if picture.id not in self._owners and any(
            kept.rank < picture.rank and distance(kept, picture) <= self._max_distance for kept in self._crowded
        ):
            self._covered.add(picture.id)
        return picture.id in self._covered


def distance(a: NearPicture, b: NearPicture) -> int:
    """In bits, as shards measure it: see `storage.duplicates.near_search`."""
    found = _bits(a, 0, b, 0)
    for view in range(1, min(len(a.views), len(b.views))):
        found = min(found, max(_bits(a, view, b, 0), _bits(b, view, a, 0)))
    return found


def _bits(a: NearPicture, view: int, b: NearPicture, other: int) -> int:
    return int(np.bitwise_count(np.bitwise_xor(a.views[view], b.views[other])).sum())
