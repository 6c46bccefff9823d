"""Comparing two pictures: one takes the place of a stored picture, whether it is one or has come with the request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from deployments.extractor import ImageInput
from deployments.pictures.prepared import PreparedPicture
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.requests.decoding import Decoding, Prepare
from graph.requests.messages import CompareRequest, PartReport, SearchResult, check_image_id
from graph.requests.shards import Shards, image_not_found, outcome_of
from graph.search.query_rows import QueryRows, status_of
from graph.search.ranking import DEPTH, Candidate, result_of
from graph.search.search_run import SearchRun
from storage.encoding.summaries import Summaries
from storage.errors import LookalikeError, UnreadableImage
from storage.operations.features import WholePictures
from storage.shard.one_picture import hit_of
from storage.types.features import FeatureRows
from storage.types.searches import FeatureQuery, Hit, ImageSummary, ShardAnswer


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The picture that stands where a stored one would. thumbnail: JPEG; empty where it was stored without its file.
    failed: the features that could not be computed of it.
    """

    id: str
    summary: ImageSummary
    features: Mapping[str, FeatureRows]
    thumbnail: bytes
    failed: Mapping[str, PartReport] = field(default_factory=dict)


async def compared(run: SearchRun, other: Compared, decoding: Decoding) -> SearchResult:
    """What the search would say of the other picture if that were the only one that is stored."""
    [result] = await compared_each(run, [other], decoding)
    if not result.is_strong and all(report.status != "ok" for report in run.reports.values()):
        raise run.nothing_answered(list(run.extractors))
    return result


async def compared_each(run: SearchRun, others: Sequence[Compared], decoding: Decoding) -> list[SearchResult]:
    """What the search would say of each if that were the only one that is stored."""
    run.deadline = time.perf_counter() + run.timeouts.search_s
    asked = list(run.extractors)
    with ExitStack() as callers:
        for name in asked:
            callers.enter_context(run.extractors[name].caller())
        queries = await run.feature_queries(asked)
    sampled = await _samples(run, queries)
    found = []
    for other in others:
        one = replace(run, order=[], summaries=Summaries({}), reports={**run.reports, **other.failed})
        one.rank(queries, [await _answer_of(other, queries, run.extractors, decoding)], DEPTH, sampled=sampled)
        one.order = one.order or [Candidate(other.id, 0.0, ())]
        await decoding.off_loop(partial(one.judge, {other.id: other.thumbnail}))
        found.append(result_of(one.order[0], other.summary, explain=run.request.explain))
    return found


async def _samples(run: SearchRun, queries: Sequence[FeatureQuery]) -> Sequence[ShardAnswer]:
    """How far the collection is from the query, by the features that tell it of all pictures."""
    measured = [
        replace(query, k=1) for query in queries if run.extractors[query.feature].kind not in ("local", "words")
    ]
    found = await outcome_of(run.ask_shards(measured)) if measured else ()
    if isinstance(found, LookalikeError):
        run.missing.update(range(len(run.shards.ports)))
        return ()
    return found


async def other_picture(request: CompareRequest, run: QueryRows, decoding: Decoding) -> Compared:
    """``b``. Raises `ImageNotFound`, an `UnreadableImage`."""
    if request.b_id is not None:
        return await _stored_picture(check_image_id(request.b_id), tuple(run.extractors), run.shards)
    return await _sent_picture(request.b or b"", run.extractors, decoding, timeout_s=run.timeouts.extractor_s)


async def _stored_picture(image_id: str, names: Sequence[str], shards: Shards) -> Compared:
    """Raises `ImageNotFound`."""
    [found] = await stored_pictures([image_id], names, shards)
    if found is None:
        raise image_not_found(image_id)
    return found


async def stored_pictures(ids: Sequence[str], names: Sequence[str], shards: Shards) -> list[Compared | None]:
    """With these features of theirs. None of a picture that is not there."""
    asked = shards.with_their_ids(ids)
    found = await asyncio.gather(
        *(shards.ask_for(own[0], WholePictures(tuple(own), tuple(names))) for own in asked.values())
    )
    there = [one for of_shard in found for one in of_shard if one is not None]
    by_id = {one[0].id: Compared(one[0].id, ImageSummary.of(one[0]), one[1], one[2]) for one in there}
    return [by_id.get(image_id) for image_id in ids]


async def _sent_picture(
    image: bytes, extractors: Mapping[str, ExtractorPort], decoding: Decoding, *, timeout_s: float
) -> Compared:
    """Under the id that it would be stored by, its checksum. What cannot be computed of it is left out. Raises an
    `UnreadableImage`.
    """
    inputs = [port.served.image_input for port in extractors.values()]
    prepared = await prepare_named("b", decoding)(image, inputs)
    facts = prepared.facts

    async def one(port: ExtractorPort) -> FeatureRows | LookalikeError | None:
        want = port.served.image_input
        if want is None or want not in prepared.forms:
            return None
        with port.caller():
            return await outcome_of(port.extract(prepared.forms[want], timeout_s=timeout_s))

    found = await all_of([one(port) for port in extractors.values()])
    features = {name: rows for name, rows in zip(extractors, found, strict=True) if isinstance(rows, FeatureRows)}
    failed = {
        name: PartReport(status_of(failure), 0.0, str(failure))
        for name, failure in zip(extractors, found, strict=True)
        if isinstance(failure, LookalikeError)
    }
    summary = ImageSummary(
        *(facts.width, facts.height, facts.sha256, {}),
        byte_size=facts.byte_size,
        taken_at=facts.exif.taken_at,
        camera=facts.exif.camera,
        gps=facts.exif.gps,
    )
    return Compared(facts.sha256, summary, features, facts.thumbnail, failed)


def prepare_named(name: str, decoding: Decoding) -> Prepare:
    """Decodes a picture of a request that has two; what cannot be read is called by its name."""

    async def prepare(data: bytes, inputs: Iterable[ImageInput | None]) -> PreparedPicture:
        try:
            return await decoding.prepare(data, inputs, with_thumbnail=True)
        except UnreadableImage as error:
            raise type(error)(f"{name}: {error.message}", error.hint, error.shell_hint) from error

    return prepare


async def _answer_of(
    picture: Compared, queries: Sequence[FeatureQuery], extractors: Mapping[str, ExtractorPort], decoding: Decoding
) -> ShardAnswer:
    """What a shard that has nothing but the picture would answer."""
    asked = [_question(picture, query, extractors[query.feature]) for query in queries]
    found = await decoding.off_loop(lambda: [None if question is None else question() for question in asked])
    hits = {query.feature: (hit,) for query, hit in zip(queries, found, strict=True) if hit is not None}
    return ShardAnswer(hits, {picture.id: picture.summary}, {})


def _question(picture: Compared, query: FeatureQuery, port: ExtractorPort) -> Callable[[], Hit | None] | None:
    """None where the picture lacks the feature, or has it of another model."""
    spec, stored = port.served.spec, picture.features.get(query.feature)
    if spec is None or stored is None:
        return None
    if stored.fingerprint and query.fingerprint and stored.fingerprint != query.fingerprint:
        return None
    return partial(hit_of, spec, query, stored, picture.id, picture.summary)
