"""The Serve deployment that hosts an extractor, any of them.

The extractor is built in the background, so that one whose model loads slowly, or is missing, never holds up or
crashes the rest: until it is there every call is answered with why it is not. Calls come in batches, as the router
gathers them; a call that fails does so alone, as a value in its place.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

from ray import serve

from deployments.extractor import EmbedsText, Extractor, Pixels, QueryViews
from deployments.extractor_wire import (
    ExtractorAnswer,
    ExtractorCall,
    decode_calls,
    encode_extractor_answers,
)
from deployments.extractors.registry import create_extractor, extractor_class
from storage.errors import ExtractorFailed, ExtractorUnavailable, InvalidField, LookalikeError
from storage.types import FeatureRows, FeatureSpec

logger = logging.getLogger(__name__)

QUICK_LOAD_S = 2.0
ATTENDANCE_S = 1.0


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica says of itself. spec is None until the extractor is built. autoscaled_requests: how many requests
    it works on at once, where its deployment autoscales; else 0.
    """

    state: Literal["ready", "loading", "unavailable"]
    reason: str = ""
    spec: FeatureSpec | None = None
    model: str | None = None
    autoscaled_requests: int = 0


class ExtractorHost:
    """Builds one extractor and answers batches with it. Knows nothing of Ray; thread-safe."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self._name = name
        self._config = config
        self._extractor: Extractor | None = None
        self._failure: LookalikeError = ExtractorFailed(f"extractor {name!r} is loading", "try again in a few seconds")
        self._state: Literal["ready", "loading", "unavailable"] = "loading"
        self._loader = threading.Thread(target=self._load, name=f"load-{name}", daemon=True)
        self._loader.start()
        self._loader.join(QUICK_LOAD_S)  # an extractor without weights is there at once

    def _load(self) -> None:
        try:
            self._extractor = create_extractor(self._name, self._config)
            self._state = "ready"
        except LookalikeError as failure:
            self._failure = ExtractorUnavailable(failure.message, failure.hint)
            self._state = "unavailable"
        except Exception as failure:
            logger.exception("extractor %s cannot be built", self._name)
            self._failure = ExtractorUnavailable(
                f"extractor {self._name!r} cannot be built: {failure}", "see the log of its replica"
            )
            self._state = "unavailable"

    def report(self) -> ReplicaReport:
        extractor = self._extractor
        if extractor is None:
            return ReplicaReport(self._state, str(self._failure))
        return ReplicaReport("ready", spec=extractor.spec, model=getattr(extractor, "model", None))

    def answer(self, calls: Sequence[ExtractorCall]) -> list[ExtractorAnswer]:
        """One answer a call, in order. Calls of a kind are computed as one batch; if that fails, one by one."""
        extractor = self._extractor
        if extractor is None:
            return [self._failure for _ in calls]
        extractions = [place for place, call in enumerate(calls) if call.ability == "extract"]
        answers: dict[int, ExtractorAnswer] = {}
        if len(extractions) > 1:
            try:
                rows = extractor.extract([_pixels(calls[place]) for place in extractions])
                answers.update(zip(extractions, rows, strict=True))
            except Exception:  # one of them is at fault: find out which, below
                logger.warning(
                    "a batch of %d failed in %s; extracting one by one", len(extractions), self._name, exc_info=True
                )
        return [
            answers[place] if place in answers else self._answer_one(extractor, call)
            for place, call in enumerate(calls)
        ]

    def _answer_one(self, extractor: Extractor, call: ExtractorCall) -> ExtractorAnswer:
        try:
            if call.ability == "extract":
                return extractor.extract([_pixels(call)])[0]
            if call.ability == "query_views":
                return query_views(extractor, _pixels(call), call.params)
            if not isinstance(extractor, EmbedsText):
                return InvalidField(
                    f"{self._name!r} does not understand texts", "ask a feature that does, or send an image"
                )
            return extractor.embed_texts([str(call.subject)])
        except LookalikeError as failure:
            return failure
        except Exception as failure:
            logger.exception("%s failed in %s", call.ability, self._name)
            return ExtractorFailed(
                f"extractor {self._name!r} failed: {type(failure).__name__}", "see the log of its replica"
            )


def query_views(extractor: Extractor, image: Pixels, params: Mapping[str, Any]) -> FeatureRows:
    """What to search with: the extractor's own views of a query, or just the picture's features. Raises
    InvalidField.
    """
    if isinstance(extractor, QueryViews):
        return extractor.query_views([image], params)[0]
    return extractor.extract([image])[0]


def _pixels(call: ExtractorCall) -> Pixels:
    if isinstance(call.subject, str):
        raise InvalidField("a text was sent where a picture is needed", "send an image")
    return call.subject


class ExtractorService:
    """Serve's view of an `ExtractorHost`. The work runs in a thread, so that the replica answers health checks
    meanwhile, but for an extractor that is quicker than the way to a thread and back.
    """

    def __init__(self, name: str, config: Mapping[str, Any], threads: int = 1) -> None:
        self._host = ExtractorHost(name, config)
        self._is_quick = bool(getattr(extractor_class(name), "is_quick", False))
        self._workers = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    async def answer(self, calls: Sequence[ExtractorCall]) -> list[ExtractorAnswer]:
        """For large pictures, which come by reference."""
        if self._is_quick:
            return self._host.answer(calls)
        return await asyncio.get_running_loop().run_in_executor(self._workers, self._host.answer, calls)

    async def answer_encoded(self, calls: bytes) -> bytes:
        """`answer` in the form of `deployments.extractor_wire`."""
        return encode_extractor_answers(await self.answer(decode_calls(calls)))

    async def attend(self) -> None:
        """Stands in for a caller whose work is gathered with that of others (see `graph.demand`)."""
        await asyncio.sleep(ATTENDANCE_S)

    async def report(self) -> ReplicaReport:
        deployment = serve.get_replica_context()._deployment_config
        requests = deployment.max_ongoing_requests if deployment.autoscaling_config is not None else 0
        return replace(self._host.report(), autoscaled_requests=requests)


def extractor_deployment(name: str, config: Mapping[str, Any]) -> serve.Application:
    """The deployment of one extractor under its own name, so that the YAML's ``deployments:`` tunes it by that name."""
    deployment = serve.deployment(
        name=name,
        max_ongoing_requests=16,
        max_queued_requests=256,
        ray_actor_options={"num_cpus": 0.1},
        health_check_period_s=5,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=10,
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )(ExtractorService)
    return deployment.bind(name, dict(config))
