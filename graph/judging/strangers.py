"""How far a whole collection is from a query by one feature: what a distance means follows from that alone.

250 of 576 bits say little of a photograph, whose strangers lie closely around 288, and nothing of a page of text among
pages of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from storage.types.features import Metric
from storage.types.searches import SampledDistances, ShardAnswer

ROUNDING = 2e-6  # a picture's distance may be computed in another order for the sample than for the hits


def strangers_of(feature: str, metric: Metric, answers: Sequence[ShardAnswer], shard_count: int) -> Strangers | None:
    """None where a shard did not say how far its pictures are. answers: of each shard one that has the feature."""
    samples = [answer.samples[feature] for answer in answers if feature in answer.samples]
    if len(samples) < shard_count:
        return None
    if all(sample.distances is not None for sample in samples):
        return Strangers.sampled(samples)
    found = np.array([hit.distance for answer in answers for hit in answer.hits.get(feature, ())], np.float32)
    return Strangers.of_found(-found if metric == "inliers" else found, sum(sample.pictures for sample in samples))


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """distances: (S,) float32 ascending, of a sample of the collection. reached: (S,) float64, for how many pictures
    the sample stands up to each of them; in the end for all that have the feature. Of keypoints the distance is the
    number of inliers, negative.

    A feature that measures no more than what it finds has those pictures in its sample, and all others infinitely far.
    """

    distances: NDArray[np.float32]
    reached: NDArray[np.float64]

    @classmethod
    def sampled(cls, shards: Sequence[SampledDistances]) -> Self:
        """Of samples that have distances, one a shard: each counts for as many pictures as its shard has."""
        parts = [(one.distances, one.pictures) for one in shards if one.distances is not None and len(one.distances)]
        if not parts:
            return cls(np.zeros(0, np.float32), np.zeros(0))
        distances = np.concatenate([own for own, _ in parts])
        standing_for = np.repeat([pictures / len(own) for own, pictures in parts], [len(own) for own, _ in parts])
        order = np.argsort(distances)
        return cls(distances[order], np.cumsum(standing_for[order]))

    @classmethod
    def of_found(cls, distances: NDArray[np.float32], pictures: int) -> Self:
        """Of the pictures that were found, among so many; all others are farther than these."""
        own = np.sort(distances)
        reached = np.arange(1.0, len(own) + 1)
        if pictures > len(own):
            own, reached = np.append(own, np.float32(np.inf)), np.append(reached, float(pictures))
        return cls(own, reached)

    @property
    def pictures(self) -> int:
        return round(float(self.reached[-1])) if len(self.reached) else 0

    def farther(self, distance: float) -> float:
        """The share of the collection, 0 to 1, that is farther than this; what is as far is not. 1 of an empty one."""
        nearer = int(np.searchsorted(self.distances, np.float32(distance + ROUNDING), side="right"))
        return 1.0 - float(self.reached[nearer - 1] / self.reached[-1]) if nearer else 1.0

    @property
    def mean(self) -> float:
        """Infinite where only what was found is known; not a number of an empty collection, as all that follows."""
        return float(np.average(self.distances, weights=self._standing_for)) if len(self.distances) else np.nan

    @property
    def spread(self) -> float:
        """The standard deviation; not a number where the mean is infinite, too."""
        mean = self.mean
        if not np.isfinite(mean):
            return np.nan
        return float(np.sqrt(np.average(np.square(self.distances - mean), weights=self._standing_for)))

    @property
    def median(self) -> float:
        return self.quantile(0.5)

    def quantile(self, share: float) -> float:
        """The distance that this share of the collection, 0 to 1, is not beyond."""
        if not len(self.distances):
            return np.nan
        place = int(np.searchsorted(self.reached, share * self.reached[-1] * (1 - 1e-12)))
        return float(self.distances[place])

    @property
    def _standing_for(self) -> NDArray[np.float64]:
        """(S,) how many pictures each of the sample stands for."""
        return np.diff(self.reached, prepend=0.0)
