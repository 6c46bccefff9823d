"""Tags by labels: the extractor of sentences embeds the labels once, and a picture's vector says which fit it.

No replica of its own: it costs a picture one product with the labels' matrix.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.annotators.label_files import read_labels
from deployments.annotators.zero_shot import ZeroShotTagger, label_matrix, label_prompts
from deployments.extractor import LOGITS, Annotation, ImageInput
from deployments.pictures.prepared import PreparedPicture
from graph.config.settings import TEXT_EXTRACTOR
from graph.ports.contract import ExtractorPort, ExtractorStatus
from graph.ports.status import explained
from storage.errors import ExtractorFailed, LookalikeError
from storage.types.features import FeatureRows

logger = logging.getLogger(__name__)

LABELS_TIMEOUT_S = 60.0  # for some sentences, on a busy CPU
PROMPTS_AT_ONCE = 16
RETRY_S = 10.0  # a file that was wrong is looked at again


class ZeroShotPort:
    """config: of `deployments.annotators.tags`, with labels. extractor: that of sentences."""

    needs_features = True

    def __init__(self, name: str, config: Any, extractor: ExtractorPort) -> None:
        self.name = name
        self.is_stored: bool = config.store
        self._config = config
        self._extractor = extractor
        self._taggers: Mapping[str, tuple[ZeroShotTagger, NDArray[np.float64]]] = {}  # by the model's fingerprint
        self._labels_mark = ""
        self._reading: asyncio.Future[None] | None = None
        self._failure = ""  # of the file with the labels
        self._failed_at = 0.0

    @property
    def image_input(self) -> ImageInput | None:
        return self._extractor.served.image_input

    async def annotate(
        self, picture: PreparedPicture, features: Mapping[str, FeatureRows], *, timeout_s: float
    ) -> Annotation:
        rows = features.get(TEXT_EXTRACTOR)
        if rows is None:
            want = self.image_input
            if want is None or want not in picture.forms:
                raise await explained(self._extractor)
            rows = await self._extractor.extract(picture.forms[want], timeout_s=timeout_s)
        known = self._taggers.get(rows.fingerprint)
        if known is None:
            raise ExtractorFailed(f"{self.name!r} reads its labels", "try again in a few seconds")
        tagger, logits = known
        return tagger.tags_of(rows.rows, logits)

    async def status(self) -> ExtractorStatus:
        """The labels are embedded beside it, as soon as the model is there."""
        text = await self._extractor.status()
        status = replace(text, name=self.name, role="annotator", spec=None)
        if text.state != "ready" or text.version is None:
            return replace(status, reason=f"{TEXT_EXTRACTOR}: {text.reason}")
        if text.version in self._taggers:
            return replace(status, reason="", version=f"{text.version}/{self._labels_mark}")
        if self._failure and time.monotonic() - self._failed_at < RETRY_S:
            return replace(status, state="unavailable", reason=self._failure)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read_labels())
        return replace(status, state="loading", reason="its labels are being embedded")

    async def _read_labels(self) -> None:
        """Into one matrix for the model that answers now. What is wrong with the file is told; with the model, tried
        again.
        """
        try:
            labels = await asyncio.to_thread(read_labels, self._config.labels)
        except LookalikeError as failure:
            self._failure, self._failed_at = str(failure), time.monotonic()
            return
        self._failure = ""
        self._labels_mark = hashlib.sha256("\n".join([self._config.prompt, *labels]).encode()).hexdigest()[:8]
        try:
            rows = await self._embedded(label_prompts(labels, (self._config.prompt,)))
        except LookalikeError as failure:
            logger.info("the labels of %s are embedded later: %s", self.name, failure)
        else:
            self._taggers = {**self._taggers, rows[0].fingerprint: self._tagger(labels, rows)}

    async def _embedded(self, prompts: Sequence[str]) -> list[FeatureRows]:
        """A few at a time, so that searches by sentences find their turn between them."""
        rows: list[FeatureRows] = []
        for first in range(0, len(prompts), PROMPTS_AT_ONCE):
            part = prompts[first : first + PROMPTS_AT_ONCE]
            calls = (self._extractor.embed_text(prompt, timeout_s=LABELS_TIMEOUT_S) for prompt in part)
            rows += await asyncio.gather(*calls)
        return rows

    def _tagger(self, labels: Sequence[str], rows: Sequence[FeatureRows]) -> tuple[ZeroShotTagger, NDArray[np.float64]]:
        embedded = np.concatenate([one.rows for one in rows]).astype(np.float32)
        matrix = label_matrix(embedded, (self._config.prompt,))
        tagger = ZeroShotTagger(labels, matrix, threshold=self._config.threshold, top_k=self._config.top_k)
        return tagger, np.asarray(rows[0].extras[LOGITS], np.float64)
