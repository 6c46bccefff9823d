"""The sample of an index: uniform, bounded, a value as the index is, and true to what comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.index.flat import FlatIndex
from storage.index.sample import COLLECTION_SAMPLE, LEAST_LEFT, marks_of, sample_size
from storage.types.features import BinaryVectors, Handles
from tests.suites.vector_index_suite import NOTHING, numbers

SIZE = 40
EMPTY = np.zeros((0, 8), np.uint8)
QUERY = np.zeros((1, 8), np.uint8)


def rows_of(handles: Handles) -> BinaryVectors:
    """A row of its own for each picture."""
    return np.ascontiguousarray(handles).view(np.uint8).reshape(-1, 8)


def index_of(count: int) -> FlatIndex:
    return with_changes(FlatIndex("hamming", EMPTY, block_rows=64), add=numbers(0, count))


def with_changes(index: FlatIndex, *, add: Handles = NOTHING, remove: Handles = NOTHING) -> FlatIndex:
    return index.with_changes(remove=remove, add=add, rows=rows_of(add))


def sampled(index: FlatIndex, size: int = SIZE) -> list[int]:
    """Handles; each is of the row whose distance is told."""
    _, handles, distances = index.search_with_sample(QUERY, 1, None, size)
    wanted = [int(handle).bit_count() for handle in handles]
    assert distances.tolist() == [wanted]
    return sorted(handles.tolist())


def smallest(handles: Handles, size: int = SIZE) -> list[int]:
    """Handles with the smallest marks."""
    return sorted(handles[np.argsort(marks_of(handles))][:size].tolist())


def test_a_small_index_is_its_own_sample() -> None:
    index = index_of(SIZE)
    assert sampled(index) == list(range(SIZE))
    assert sampled(with_changes(index, remove=numbers(5, 9))) == [*range(5), *range(9, SIZE)]
    assert sampled(FlatIndex("hamming", EMPTY)) == []


def test_the_sample_has_the_pictures_with_the_smallest_marks() -> None:
    assert sampled(index_of(1000)) == smallest(numbers(0, 1000))


def test_every_picture_is_as_likely() -> None:
    handles = np.array(sampled(index_of(50_000), 10_000))
    by_age, _ = np.histogram(handles, bins=50, range=(0, 50_000))
    by_digit = np.bincount(handles % 7)
    for counts in (by_age, by_digit):
        expected = 10_000 / len(counts)
        assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_no_two_pictures_have_the_same_mark() -> None:
    marks = marks_of(numbers(0, 100_000))
    assert len(np.unique(marks)) == 100_000
    assert 0.49 < (marks < np.uint64(1 << 63)).mean() < 0.51


def test_a_sample_that_followed_the_growth_is_the_one_that_is_drawn_at_the_end() -> None:
    index = index_of(100)
    for handle in range(100, 600, 5):
        sampled(index)
        index = with_changes(index, add=numbers(handle, handle + 5))
    assert sampled(index) == sampled(index_of(600))


def test_a_picture_that_is_removed_leaves_the_sample_and_all_that_left_are_made_up_for() -> None:
    index = index_of(1000)
    first = sampled(index)
    some, more = np.array(first[:3]), np.array(first[3:10])
    fewer = with_changes(index, remove=some)
    assert sampled(fewer) == first[3:]
    assert sampled(with_changes(fewer, remove=more)) == smallest(np.setdiff1d(numbers(0, 1000), first[:10]))
    assert sampled(index) == first  # an older view stays as it was


def test_a_discarded_view_leaves_no_trace() -> None:
    index = index_of(100)
    sampled(index)
    with_changes(index, add=numbers(100, 200))
    assert sampled(with_changes(index, add=numbers(200, 300))) == smallest(np.r_[numbers(0, 100), numbers(200, 300)])


def test_all_rows_of_a_picture_are_in_it_or_none() -> None:
    handles = np.repeat(numbers(0, 300), 3)
    index = with_changes(FlatIndex("hamming", EMPTY, block_rows=64), add=handles)
    found = sampled(index)
    assert SIZE <= len(found) < SIZE + 3
    assert set(np.unique(found, return_counts=True)[1].tolist()) == {3}


def test_the_size_is_that_of_the_collection_shared_by_its_shards() -> None:
    assert sample_size(1) == COLLECTION_SAMPLE == 10_000
    assert sample_size(3) == 3334


@pytest.mark.parametrize("share", [0, 0.01, 0.6, 1])
def test_what_is_allowed_changes_what_is_found_and_not_the_sample(share: float) -> None:
    index = with_changes(index_of(1000), remove=numbers(300, 400))
    queries = rows_of(np.array([5, 900, 77], np.int64))
    allowed = np.random.default_rng(2).random(990) < share
    plain, *wanted = index.search_with_sample(queries, 7, None, SIZE)
    found, *sample = index.search_with_sample(queries, 7, allowed, SIZE)
    np.testing.assert_array_equal(plain.handles, index.search(queries, 7).handles)
    np.testing.assert_array_equal(found.handles, index.search(queries, 7, allowed).handles)
    for one, other in zip(sample, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_index_that_was_searched_lets_go_of_the_blocks_that_it_no_longer_has() -> None:
    index = index_of(1000)
    sampled(index)
    changed = with_changes(index, remove=numbers(0, 900))
    assert changed._sample is not None
    assert set(changed._sample.places) <= set(changed._blocks)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 0.4), st.booleans()), max_size=20), st.integers(0, 2**32))
def test_whatever_happens_it_has_all_pictures_up_to_a_mark_and_is_bounded(
    changes: list[tuple[int, float, bool]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    index, following, alive = index_of(0), 0, NOTHING
    for count, share, is_searched in changes:
        gone = alive[rng.random(len(alive)) < share]
        came = numbers(following, following + count)
        following += count
        alive = np.r_[np.setdiff1d(alive, gone), came]
        index = with_changes(index, add=came, remove=gone)
        if not is_searched:
            continue
        found = sampled(index)
        assert found == smallest(alive, len(found))
        assert min(len(alive), LEAST_LEFT * SIZE) <= len(found) <= SIZE
