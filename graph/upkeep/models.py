"""Features that a model decides: what the replicas have loaded, brought together with what the shards hold.

A model may come late, come back as another, or be on its way to take over. The keeper looks now and then, tells the
shards of a model that they do not know yet, and each port which model to ask. A model whose vectors would not fit the
index is refused: the one that the index was made with is asked instead, where it can still be loaded.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from graph.ports.contract import ExtractorPort, ServedModel, ShardPort
from storage.errors import ExtractorUnavailable, FingerprintMismatch, LookalikeError
from storage.operations.models import AdoptModel
from storage.operations.reports import Stats
from storage.types.features import FeatureSpec
from storage.types.reports import ModelVersion

logger = logging.getLogger(__name__)

ANSWERED_S = 10.0  # for which a replica without the model does not speak for all
Options = Mapping[str, Any]
VersionsByShard = Sequence[Sequence[ModelVersion]]  # of one feature, by shard, the one in use first


class ModelKeeper:
    """options: of every extractor, as configured."""

    def __init__(
        self,
        *,
        extractors: Mapping[str, ExtractorPort],
        shards: Sequence[ShardPort],
        options: Mapping[str, Options],
        timeout_s: float,
    ) -> None:
        self._ports = [port for port in extractors.values() if port.is_late]
        self._shards = shards
        self._options = options
        self._timeout_s = timeout_s
        self._answered: dict[str, float] = {}  # when a replica last had the configured model

    @property
    def has_work(self) -> bool:
        return bool(self._ports)

    async def look(self) -> None:
        """One round. Raises what a shard that does not answer raises; the ports then stay as they are."""
        stats = await asyncio.gather(*(shard.ask(Stats(), timeout_s=self._timeout_s) for shard in self._shards))
        for port in self._ports:
            try:
                port.served = await self._served(port, [one.versions.get(port.name, ()) for one in stats])
            except LookalikeError as failure:  # of this feature alone; it is looked at again
                logger.warning("the model of %s: %s", port.name, failure)

    async def _served(self, port: ExtractorPort, versions: VersionsByShard) -> ServedModel:
        configured, used = await port.report(), next((known[0] for known in versions if known), None)
        refusal: LookalikeError | None = None
        if configured.spec is not None:
            self._answered[port.name] = time.monotonic()
            ours = ServedModel(configured.spec, configured.image_input)
            if all(known and known[0].spec.fingerprint == configured.spec.fingerprint for known in versions):
                return ours
            try:
                are_empty = all(one.images == 0 for known in versions for one in known)
                if await self._adopt(port.name, configured.spec, replaces_empty=are_empty) == {"in_use"}:
                    return ours
            except FingerprintMismatch as mismatch:
                refusal = mismatch
        if used is None:
            return ServedModel()
        if configured.spec is None and self._has_it_elsewhere(port, used):
            return port.served
        if configured.spec is None and (configured.state == "loading" or used.origin == self._options[port.name]):
            return ServedModel(used.spec)
        if refusal is None:  # the configured model is not loaded, or is on its way to take over
            refusal = ExtractorUnavailable(configured.reason or "the index for the configured model is being built")
        return await self._older(port, used, refusal, _progress(versions))

    def _has_it_elsewhere(self, port: ExtractorPort, used: ModelVersion) -> bool:
        """Whether another replica than the one that was asked answered with the very model a moment ago."""
        last, now = self._answered.get(port.name, -ANSWERED_S), time.monotonic()
        is_it = port.served.spec is not None and port.served.spec.fingerprint == used.spec.fingerprint
        return is_it and port.served.image_input is not None and now - last < ANSWERED_S

    async def _adopt(self, name: str, spec: FeatureSpec, *, replaces_empty: bool) -> set[str]:
        """Tells every shard of a model; the roles that it has. Raises `FingerprintMismatch` where one refuses it."""
        adopt = AdoptModel(spec, dict(self._options[name]), replaces_empty)
        calls = [shard.ask(adopt, timeout_s=self._timeout_s) for shard in self._shards]
        told = await asyncio.gather(*calls, return_exceptions=True)
        for failure in told:
            if isinstance(failure, BaseException):
                raise failure
        return {str(role) for role in told}

    async def _older(self, port: ExtractorPort, used: ModelVersion, why: LookalikeError, progress: str) -> ServedModel:
        """The model that the index was made with, while a replica can load it; otherwise ``why`` not."""
        old = await port.report(used.origin)
        if old.spec is not None and old.spec.fingerprint == used.spec.fingerprint:
            note = f"the model that the index was made with answers: {progress or why}"
            return ServedModel(used.spec, old.image_input, used.origin, note=note)
        refusal = None if old.state == "loading" else why
        return ServedModel(used.spec, None, used.origin, refusal=refusal)


def _progress(versions: VersionsByShard) -> str:
    """Of the index that is being built, in words; empty where there is none."""
    built = [one for known in versions for one in known if one.role == "following"]
    done, left = sum(one.images for one in built), sum(one.pending for one in built)
    return f"the index for the configured one has {done} of {done + left} images" if built else ""
