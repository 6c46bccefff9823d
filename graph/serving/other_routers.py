"""The other routers of the application, each one asked by itself: a handle of Serve would choose one of them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from typing import Any

import ray
from ray import serve
from ray.serve._private.common import RequestMetadata
from ray.serve._private.constants import SERVE_NAMESPACE
from ray.serve._private.request_router.common import PendingRequest
from ray.serve._private.request_router.replica_wrapper import ActorReplicaWrapper

from graph.figures.routers import Answer, Question

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0


class RayRouters:
    """method: of a router, which takes a `Question` and gives an `Answer`. To be made in a router."""

    def __init__(self, method: str) -> None:
        self._method = method
        own = serve.get_replica_context().replica_id.to_full_id_str()
        self._own, self._prefix = own, own.rpartition("#")[0] + "#"
        self._known: dict[str, Any] = {}

    async def ask(self, question: Question) -> Sequence[Answer]:
        """From those that are up and answer within ``TIMEOUT_S``."""
        self._known = await asyncio.to_thread(self._alive)
        answers = await asyncio.gather(*(self._one(name, actor, question) for name, actor in self._known.items()))
        return [answer for answer in answers if answer is not None]

    def _alive(self) -> dict[str, Any]:
        named = ray.util.list_named_actors(all_namespaces=True)
        names = {entry["name"] for entry in named if entry["namespace"] == SERVE_NAMESPACE}
        actors = {}
        for name in names:
            if name.startswith(self._prefix) and name != self._own:
                try:
                    actors[name] = self._known.get(name) or ray.get_actor(name, namespace=SERVE_NAMESPACE)
                except ValueError:  # it has ended meanwhile
                    continue
        return actors

    async def _one(self, name: str, actor: Any, question: Question) -> Answer | None:
        request_id = uuid.uuid4().hex
        metadata = RequestMetadata(request_id, request_id, call_method=self._method)
        request = PendingRequest([question], {}, metadata)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                sent = ActorReplicaWrapper(actor).send_request_python(request, with_rejection=False)
                answer: Answer = await sent.get_async()
                return answer
        except Exception as failure:  # it is starting, ending or dead: what it told last counts
            logger.info("%s did not answer: %r", name, failure)
            return None
