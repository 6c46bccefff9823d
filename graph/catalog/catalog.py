"""The catalogue: what the service does, in parts that share their extractors and shards, wherever those run.

A picture is decoded once, off the event loop, into the working image; each extractor is given the form of it that it
declares; each shard is asked once for all features together. A part that fails or is late is named in the answer and
never shown as "no matches".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graph.catalog.computing import Computing
from graph.catalog.library import Library
from graph.catalog.pictures import Pictures
from graph.catalog.service import Service
from graph.duplicates.pages import Duplicates
from graph.ports.contract import AnnotatorPort, ExtractorPort, JobPort, ShardPort
from graph.requests.decoding import Decoding
from graph.requests.shards import Shards
from graph.requests.timing import CatalogMetrics, Timeouts
from graph.search.search import Searches
from storage.files import EVERYWHERE


@dataclass(frozen=True, slots=True)
class Catalog:
    pictures: Pictures
    searches: Searches
    duplicates: Duplicates
    service: Service
    library: Library
    jobs: JobPort


CatalogProvider = Callable[[], Catalog]  # may raise Unavailable while the service starts


def build_catalog(
    *,
    extractors: Mapping[str, ExtractorPort],
    annotators: Mapping[str, AnnotatorPort] | None = None,
    shards: Sequence[ShardPort],
    jobs: JobPort,
    decoding: Decoding,
    timeouts: Timeouts,
    max_results: int = 1000,
    default_weights: Mapping[str, float] | None = None,
    keeps_originals: bool = False,
    metrics: CatalogMetrics | None = None,
    roots: Sequence[Path] = EVERYWHERE,
) -> Catalog:
    """roots: of the folders that may be watched. keeps_originals: of uploads, for models that come later."""
    annotators, metrics = annotators or {}, metrics or CatalogMetrics()
    reached = Shards(shards, timeout_s=timeouts.shard_s, write_timeout_s=timeouts.write_s)
    stored = [port for port in annotators.values() if port.is_stored]
    searches = Searches(
        extractors=extractors,
        shards=reached,
        decoding=decoding,
        timeouts=timeouts,
        metrics=metrics,
        max_results=max_results,
        default_weights=default_weights or {},
    )
    return Catalog(
        pictures=Pictures(
            computing=Computing(extractors=extractors, annotators=stored, timeouts=timeouts, metrics=metrics),
            decoding=decoding,
            shards=reached,
            keeps_originals=keeps_originals,
        ),
        searches=searches,
        duplicates=Duplicates(extractors, shards, searches, shard_timeout_s=timeouts.shard_s),
        service=Service(
            extractors=extractors, annotators=annotators, shards=reached, decoding=decoding, timeouts=timeouts
        ),
        library=Library(reached, jobs, roots),
        jobs=jobs,
    )
