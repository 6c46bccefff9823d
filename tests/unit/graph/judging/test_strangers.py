"""The share of a collection that is farther than a result, and what its distances look like: against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from graph.judging.strangers import Strangers, strangers_of
from storage.index.flat import empty_flat_index
from storage.index.sample import sample_size
from storage.shard.search import search_feature
from storage.types.features import FeatureSpec, Metric
from storage.types.searches import FeatureQuery, Hit, SampledDistances, ShardAnswer
from tests.suites.vector_index_suite import NOTHING, make_rows, numbers

SPECS = (
    FeatureSpec("bits", "binary", 64, "hamming", "v1"),
    FeatureSpec("histogram", "dense", 16, "l1", "v1"),
    FeatureSpec("embedding", "dense", 16, "cosine", "v1"),
)
PICTURES = 30_000


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@pytest.mark.parametrize("shard_count", [1, 3])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_share_is_that_of_all_pictures_within_the_error_of_a_sample(spec: FeatureSpec, shard_count: int) -> None:
    rng = np.random.default_rng(4)
    rows, views = make_rows(spec, PICTURES, rng), make_rows(spec, 2, rng)
    shards = [empty_flat_index(spec) for _ in range(shard_count)]
    homes = rng.choice(shard_count, PICTURES, p=np.array([6, 3, 1][:shard_count]) / sum([6, 3, 1][:shard_count]))
    samples, every = [], [floats()]
    for number, empty in enumerate(shards):
        own = rows[homes == number]
        index = empty.with_changes(remove=NOTHING, add=numbers(0, len(own)), rows=own)
        [(_, sample)], [(_, whole)] = (
            search_feature(index, [FeatureQuery(spec.name, views, 5)], None, sample_size=size, pictures=len(own))
            for size in (sample_size(shard_count), PICTURES)
        )
        assert sample is not None
        assert whole is not None
        assert whole.distances is not None
        samples.append(sample)
        every.append(whole.distances)
    distances = np.concatenate(every)
    strangers = Strangers.sampled(samples)
    assert strangers.pictures == PICTURES
    assert len(strangers.distances) <= 10_002
    for share in (0.001, 0.01, 0.3, 0.5, 0.9, 0.999):
        at = float(np.quantile(distances, share))
        brute_force = float(np.mean(distances > at))
        error = 5 * np.sqrt(max(brute_force * (1 - brute_force), 1e-4) / 10_000) * np.sqrt(shard_count)
        assert strangers.farther(at) == pytest.approx(brute_force, abs=error)
    assert strangers.mean == pytest.approx(float(distances.mean()), rel=0.02)
    assert strangers.spread == pytest.approx(float(distances.std()), rel=0.05)
    assert strangers.median == pytest.approx(float(np.median(distances)), rel=0.02)


def test_what_is_as_far_is_not_farther() -> None:
    strangers = Strangers.sampled([SampledDistances(floats(1, 4, 4, 9), 4)])
    assert [strangers.farther(distance) for distance in (0, 1, 3.9, 4, 9, 10)] == [1, 0.75, 0.75, 0.25, 0, 0]


def test_rounding_makes_nothing_farther_than_itself() -> None:
    strangers = Strangers.sampled([SampledDistances(floats(0.1 + 1e-7, 0.5), 2)])
    assert strangers.farther(0.1) == 0.5


def test_a_shard_counts_for_its_pictures() -> None:
    many, few = SampledDistances(floats(1, 5), 90), SampledDistances(floats(2, 3, 4), 10)
    strangers = Strangers.sampled([many, few, SampledDistances(floats(), 0)])
    assert strangers.pictures == 100
    assert strangers.farther(1) == pytest.approx(0.55)
    assert strangers.farther(3) == pytest.approx(0.55 - 20 / 300)
    assert strangers.mean == pytest.approx(0.9 * 3 + 0.1 * 3)
    assert strangers.spread == pytest.approx(np.sqrt(0.9 * 4 + 0.1 * 2 / 3))
    assert [strangers.quantile(share) for share in (0, 0.45, 0.46, 0.5, 1)] == [1, 1, 2, 3, 5]


def test_of_an_empty_collection_nothing_is_known() -> None:
    strangers = Strangers.sampled([SampledDistances(floats(), 0)])
    assert (strangers.pictures, strangers.farther(0)) == (0, 1)
    assert np.isnan([strangers.mean, strangers.spread, strangers.median]).all()


def test_all_that_was_not_found_is_farther() -> None:
    strangers = Strangers.of_found(floats(-20, -83, -8), 1000)
    assert strangers.pictures == 1000
    assert [strangers.farther(-inliers) for inliers in (90, 83, 20, 8)] == pytest.approx([1, 0.999, 0.998, 0.997])
    assert (strangers.mean, strangers.median) == (np.inf, np.inf)
    assert np.isnan(strangers.spread)
    assert Strangers.of_found(floats(0.5), 1).mean == 0.5


@pytest.mark.parametrize(("metric", "best"), [("inliers", 83.0), ("words", 0.0)])
def test_answers_of_shards_that_measure_what_they_find_are_one(metric: Metric, best: float) -> None:
    hits = [(Hit("a", best),), (Hit("b", 9.0),), ()]
    answers = [ShardAnswer({"one": own}, {}, {}, {}, {"one": SampledDistances(None, 2)}) for own in hits]
    strangers = strangers_of("one", metric, answers, 3)
    assert strangers is not None
    assert strangers.pictures == 6
    assert strangers.farther(-best if metric == "inliers" else best) == pytest.approx(5 / 6)


def test_where_a_shard_says_nothing_of_its_pictures_nothing_is_known_of_all() -> None:
    there = ShardAnswer({}, {}, {}, {}, {"phash": SampledDistances(floats(1, 2), 2)})
    silent = ShardAnswer({}, {}, {}, {"phash": "not here"})
    assert strangers_of("phash", "hamming", [there], 1) is not None
    assert strangers_of("phash", "hamming", [there], 2) is None
    assert strangers_of("phash", "hamming", [there, silent], 2) is None
