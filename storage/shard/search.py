"""Searching a shard: all queries of one feature in one pass over its index, then one row a picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from storage.encoding.feature_rows import decode_rows
from storage.encoding.keys import number_key
from storage.encoding.summaries import Summaries, packed_summary, unpacked_summary
from storage.errors import CorruptData
from storage.index.query_expansion import ROW_WEIGHTS, expanded
from storage.index.vector_index import Allowed, Neighbors, VectorIndex
from storage.keypoints.search import Located, locate
from storage.kv.store import ReadTransaction
from storage.shard.checks import check_query
from storage.shard.each import in_all, near_to_each, queries_of_each
from storage.shard.sampling import search_with_sample
from storage.tables.schema import feature_table, record_by_handle
from storage.types.features import FeatureRows, Handles, Vectors
from storage.types.filters import Filter
from storage.types.searches import FeatureQuery, Hit, ImageSummary, SampledDistances, ShardAnswer, ShardQuery
from storage.upkeep.moments import Moment
from storage.upkeep.summary_cache import Picture, SummaryCache
from storage.words.word_index import WordIndex
from storage.words.word_search import FoundWords, find_words

MOST_OF_EACH = 1000  # pictures with words, or keypoints, like those of one picture of several
# Evidence for the router alone.
QUERY_FRAME = "query_frame"  # which picture of the query, and the size of its frame
PAIRS = "pairs"  # of the keypoints that agree: x and y in that frame, x and y in the stored picture


@dataclass(frozen=True, slots=True)
class Found:
    """A picture near to a query. view: the query's row that was nearest."""

    handle: int
    distance: float
    view: int


def search_feature(
    index: VectorIndex, queries: Sequence[FeatureQuery], allowed: Allowed | None, *, sample_size: int, pictures: int
) -> list[tuple[list[Found], SampledDistances | None]]:
    """The ``k`` nearest allowed pictures of each query: the smallest distance over its views and over the picture's
    rows. And how far a sample of all pictures is; None of an index that keeps none. pictures: how many the index has.

    Of pictures equally far at the cut, those stored first are kept.
    """
    wanted = [min(query.k, max(index.rows_count, 1)) for query in queries]
    rows: Vectors = np.concatenate([query.rows for query in queries])
    neighbors, sample = search_with_sample(index, rows, max(wanted), allowed, sample_size)
    neighbors = _enough_pictures(index, rows, neighbors, allowed)
    answers, start = [], 0
    for query, k in zip(queries, wanted, strict=True):
        views = slice(start, start + len(query.rows))
        found = _nearest_pictures(neighbors.handles[views], neighbors.distances[views], k, query.max_distance)
        of_query = None if sample is None else sample.of_query(views, pictures=pictures, rows=index.rows_count)
        answers.append((found, of_query))
        start = views.stop
    return answers


def _enough_pictures(index: VectorIndex, rows: Vectors, neighbors: Neighbors, allowed: Allowed | None) -> Neighbors:
    """neighbors: the k nearest of every row. Up to its k nearest pictures: more where pictures have many rows."""
    k = count = neighbors.handles.shape[1]
    while True:
        all_found = count >= index.rows_count or (neighbors.handles[:, -1] < 0).all()
        if all_found or all(len(set(handles)) >= k for handles in neighbors.handles.tolist()):
            return neighbors
        count = min(4 * count, index.rows_count)
        neighbors = index.search(rows, count, allowed)


def _nearest_pictures(
    handles: Handles, distances: NDArray[np.float32], k: int, max_distance: float | None
) -> list[Found]:
    """handles, distances: (V, K) of one query's views."""
    views = np.repeat(np.arange(len(handles)), handles.shape[1])
    order = np.lexsort((handles.ravel(), views, distances.ravel()))
    columns = (handles.ravel()[order], distances.ravel()[order], views[order])
    found: dict[int, Found] = {}
    for handle, distance, view in zip(*(column.tolist() for column in columns), strict=True):
        if handle < 0 or len(found) == k or (max_distance is not None and distance > max_distance):
            break
        if handle not in found:
            found[handle] = Found(handle, distance, view)
    return list(found.values())


Search = Callable[[VectorIndex, Sequence[FeatureQuery]], list[tuple[list[Found], SampledDistances | None]]]


@dataclass(frozen=True, slots=True)
class _Draft:
    """An answer being put together."""

    hits: dict[str, tuple[Hit, ...]] = field(default_factory=dict)
    summaries: dict[str, bytes] = field(default_factory=dict)
    took_ms: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    samples: dict[str, SampledDistances] = field(default_factory=dict)

    def finished(self) -> ShardAnswer:
        return ShardAnswer(self.hits, Summaries(self.summaries), self.took_ms, self.errors, self.samples)


def answer_queries(
    transaction: ReadTransaction,
    moment: Moment,
    queries: Sequence[ShardQuery],
    masks: Mapping[Filter | None, Allowed | None],
    sample_size: int,
) -> list[ShardAnswer]:
    """One answer a query. The moment must be the transaction's. masks: the pictures that each filter means. What cannot
    be searched is in ``errors``. sample_size: rows of each index that a query's distances to are told.
    """
    versions = moment.versions
    drafts = [_Draft() for _ in queries]
    by_key: dict[tuple[str, Filter | None], list[tuple[_Draft, FeatureQuery]]] = {}
    for draft, query in zip(drafts, queries, strict=True):
        for part in query.features:
            reason = check_query(part, versions)
            key = versions.key_of(part.feature, part.fingerprint)
            if reason is None and key is not None:
                by_key.setdefault((key, query.filter), []).append((draft, part))
            else:
                draft.errors[part.feature] = reason or ""
    pictures = _Pictures(transaction, moment.summaries)
    for (key, filter), asked in by_key.items():
        if versions.specs[key].kind in ("local", "words"):
            feature_of = partial(pictures.feature, key)
            _answer_one_by_one(moment.indexes[key], asked, masks[filter], pictures, feature_of)
            for draft, part in asked:
                draft.samples[part.feature] = SampledDistances(None, pictures.count(key))
        else:
            search = partial(
                search_feature, allowed=masks[filter], sample_size=sample_size, pictures=pictures.count(key)
            )
            _answer_together(moment.indexes[key], asked, search, pictures)
    return [draft.finished() for draft in drafts]


def _answer_together(
    index: VectorIndex,
    asked: Sequence[tuple[_Draft, FeatureQuery]],
    search: Search,
    pictures: _Pictures,
) -> None:
    started = time.perf_counter()
    plain = [query for _, query in asked if ROW_WEIGHTS not in query.extras and not query.others]
    of_plain = iter(search(index, plain) if plain else ())
    answers: list[tuple[list[Found], SampledDistances | None]] = []
    for _, query in asked:
        if ROW_WEIGHTS in query.extras:
            answers += search(*expanded(index, query))
        elif query.others:  # to how many the sample is near to each of several pictures is not known
            answers.append((near_to_each(query, partial(_found_by, search, index), index.rows_count), None))
        else:
            answers.append(next(of_plain))
    took_ms = (time.perf_counter() - started) * 1e3
    for (draft, query), (found, sample) in zip(asked, answers, strict=True):
        draft.took_ms[query.feature] = took_ms
        if sample is not None:
            draft.samples[query.feature] = sample
        hits = [Hit(pictures.summary(one.handle, draft.summaries)[0], one.distance, one.view) for one in found]
        draft.hits[query.feature] = tuple(sorted(hits, key=lambda hit: (hit.distance, hit.view, hit.id)))


def _found_by(search: Search, index: VectorIndex, queries: Sequence[FeatureQuery]) -> list[list[Found]]:
    return [found for found, _ in search(index, queries)]


def _answer_one_by_one(
    index: VectorIndex,
    asked: Sequence[tuple[_Draft, FeatureQuery]],
    allowed: Allowed | None,
    pictures: _Pictures,
    feature_of: Callable[[int], FeatureRows],
) -> None:
    """Keypoints and words, which say where in the picture they were found."""
    for draft, query in asked:
        started = time.perf_counter()
        if isinstance(index, WordIndex):
            words = _words_of_each(index, query, feature_of, allowed)
            hits = [_word_hit(one, pictures, draft.summaries) for one in words]
        else:
            located = _located_in_each(index, query, feature_of, allowed)
            hits = [_located_hit(one, pictures, draft.summaries) for one in located]
        draft.hits[query.feature] = tuple(hits)
        draft.took_ms[query.feature] = (time.perf_counter() - started) * 1e3


def _words_of_each(
    index: WordIndex, query: FeatureQuery, feature_of: Callable[[int], FeatureRows], allowed: Allowed | None
) -> list[FoundWords]:
    queries = queries_of_each(query)
    if len(queries) == 1:
        return find_words(index, query, feature_of, allowed)
    lists = [find_words(index, replace(one, k=MOST_OF_EACH), feature_of, allowed) for one in queries]
    farthest = [max(own, key=lambda one: one.distance) for own in in_all(lists)]
    return sorted(farthest, key=lambda one: (one.distance, one.handle))[: query.k]


def _located_in_each(
    index: VectorIndex, query: FeatureQuery, feature_of: Callable[[int], FeatureRows], allowed: Allowed | None
) -> list[Located]:
    """Each where the query's picture with the fewest inliers lies in it."""
    queries = queries_of_each(query)
    if len(queries) == 1:
        return locate(index, query, feature_of, allowed)
    lists = [
        [replace(one, side=replace(one.side, frame=frame)) for one in locate(index, alone, feature_of, allowed)]
        for frame, alone in enumerate(replace(one, k=MOST_OF_EACH) for one in queries)
    ]
    fewest = [min(own, key=lambda one: one.inliers) for own in in_all(lists)]
    return sorted(fewest, key=lambda one: (-one.inliers, one.handle))[: query.k]


def _word_hit(found: FoundWords, pictures: _Pictures, summaries: dict[str, bytes]) -> Hit:
    image_id, packed = pictures.summary(found.handle, summaries)
    return word_hit(found, image_id, unpacked_summary(packed))


def word_hit(found: FoundWords, image_id: str, summary: ImageSummary) -> Hit:
    """Coordinates in pixels of the stored picture, no longer in those of its frame."""
    scale = np.array([summary.width / found.frame[0], summary.height / found.frame[1]])
    words = [
        {
            "query": one.query,
            "word": one.word,
            "match": one.how,
            "confidence": round(one.confidence, 4),
            "box": np.round(one.box * scale, 2).tolist(),
        }
        for one in found.words
    ]
    return Hit(image_id, found.distance, 0, {"words": words})


def _located_hit(found: Located, pictures: _Pictures, summaries: dict[str, bytes]) -> Hit:
    image_id, packed = pictures.summary(found.handle, summaries)
    return located_hit(found, image_id, unpacked_summary(packed))


def located_hit(found: Located, image_id: str, summary: ImageSummary) -> Hit:
    """Coordinates in pixels of the stored picture, no longer in those of its frame."""
    to_frame = np.diag([found.stored_size[0] / summary.width, found.stored_size[1] / summary.height, 1.0])
    evidence = {
        "homography": (found.homography @ to_frame).tolist(),
        "box": (found.box / to_frame.diagonal()[:2]).tolist(),
        **found.fit._asdict(),
        QUERY_FRAME: [found.side.frame, *found.side.size],
    }
    if found.pairs is not None:
        evidence[PAIRS] = (found.pairs / [1, 1, *to_frame.diagonal()[:2]]).tolist()
    return Hit(image_id, float(found.inliers), int(found.side.mirrored), evidence)


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    """The pictures of one moment of the store."""

    transaction: ReadTransaction
    cache: SummaryCache

    def summary(self, handle: int, summaries: dict[str, bytes]) -> Picture:
        """The picture's id and summary, which is put among those of an answer."""
        known = self.cache.get(handle)
        if known is None:
            record = record_by_handle(self.transaction, handle)
            if record is None:
                raise CorruptData(f"the index has a picture that the store does not, handle {handle}", "run verify")
            known = (record.id, packed_summary(ImageSummary.of(record)))
            self.cache.put(handle, known)
        summaries[known[0]] = known[1]
        return known

    def count(self, key: str) -> int:
        """How many have the feature."""
        return self.transaction.count(feature_table(key))

    def feature(self, key: str, handle: int) -> FeatureRows:
        value = self.transaction.get(feature_table(key), number_key(handle))
        if value is None:
            raise CorruptData(
                f"the index of {key} has a picture that the store does not, handle {handle}", "run verify"
            )
        return decode_rows(value)
