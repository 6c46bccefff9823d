"""Which pictures a sentence fits: what `graph.judging.sentences` needs to tell it, kept by each router.

The ordinary sentences are embedded by the model that answers now, when a sentence is first searched for; how near they
come to the collection is measured on a sample of it, again whenever it has grown or shrunk by a tenth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from graph.judging.sentences import OrdinarySentences, ordinary_sentences
from graph.ports.batching import all_of
from graph.ports.contract import ExtractorPort
from graph.requests.shards import Shards
from storage.errors import DeadlineExceeded
from storage.operations.features import RowsOfEach, SampleRows
from storage.types.features import FeatureRows, FloatVectors

SAMPLED = 1024  # pictures
AT_ONCE = 16  # sentences, so that searches find their turn between them
CHANGED = 0.1  # of the collection


class SentenceFits:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._embedded: dict[str, tuple[str, FloatVectors]] = {}  # by feature, with the model's fingerprint
        self._measured: dict[str, tuple[str, OrdinarySentences]] = {}
        self._turn = asyncio.Lock()

    async def fitting(
        self, port: ExtractorPort, sentence: FeatureRows, ids: Sequence[str], pictures: int, *, timeout_s: float
    ) -> frozenset[str]:
        """Those of the pictures that the sentence fits. pictures: how many the collection has with this feature. Raises
        what a part that does not answer raises.
        """
        try:
            async with asyncio.timeout(timeout_s):
                async with self._turn:
                    ordinary = await self._ordinary(port, sentence.fingerprint, pictures, timeout_s)
                rows = await self._rows(port.name, ids, timeout_s)
        except TimeoutError as late:
            raise DeadlineExceeded("it could not be told in time what the sentence fits", "try again") from late
        if not rows:
            return frozenset()
        fit = ordinary.fit(np.asarray(sentence.rows[0], np.float32), np.concatenate(list(rows.values())))
        return frozenset(image_id for image_id, fits in zip(rows, fit.tolist(), strict=True) if fits)

    async def _ordinary(
        self, port: ExtractorPort, fingerprint: str, pictures: int, timeout_s: float
    ) -> OrdinarySentences:
        made_by, known = self._measured.get(port.name, ("", None))
        if known is not None and made_by == fingerprint and abs(pictures - known.pictures) <= CHANGED * known.pictures:
            return known
        rows = await self._sentences(port, fingerprint, timeout_s)
        share = -(-SAMPLED // len(self._shards.ports))
        sampled = await self._shards.ask_all(SampleRows(port.name, fingerprint, share), timeout_s=timeout_s)
        measured = OrdinarySentences.measured(rows, np.concatenate(sampled).astype(np.float32), pictures)
        self._measured[port.name] = fingerprint, measured
        return measured

    async def _sentences(self, port: ExtractorPort, fingerprint: str, timeout_s: float) -> FloatVectors:
        made_by, known = self._embedded.get(port.name, ("", None))
        if known is not None and made_by == fingerprint:
            return known
        sentences, found = ordinary_sentences(), list[FeatureRows]()
        with port.caller():
            for first in range(0, len(sentences), AT_ONCE):
                part = sentences[first : first + AT_ONCE]
                found += await all_of([port.embed_text(one, timeout_s=timeout_s) for one in part])
        rows = np.concatenate([one.rows for one in found]).astype(np.float32)
        self._embedded[port.name] = found[0].fingerprint, rows
        return rows

    async def _rows(self, feature: str, ids: Sequence[str], timeout_s: float) -> dict[str, FloatVectors]:
        """(1, D) of each that is still there."""
        groups = list(self._shards.with_their_ids(ids).items())
        asked = [
            self._shards.ports[number].ask(RowsOfEach(tuple(own), (feature,)), timeout_s=timeout_s)
            for number, own in groups
        ]
        answers = await all_of(asked)
        return {
            image_id: np.asarray(rows[feature], np.float32)
            for (_, own), found in zip(groups, answers, strict=True)
            for image_id, rows in zip(own, found, strict=True)
            if rows is not None and feature in rows
        }
