"""Questions to the running service, from a job of its cluster."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, cast

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from graph.requests.messages import SearchRequest
from lookalike_client.answers import SearchAnswer
from storage.errors import LookalikeError, Unavailable

ATTEMPTS = 4
PAUSE_S = 1.0


@dataclass(slots=True)
class RunningService:
    """The routers of an application of Ray Serve, asked from within the cluster: no key is needed, and a search takes
    the way of any other but for HTTP.
    """

    application: str
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _search: Any = None

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Sits out a router that restarts, and a service that is busy."""
        for attempt in range(ATTEMPTS):
            try:
                return self._loop.run_until_complete(self._asked(request))
            except Unavailable:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(PAUSE_S * 2**attempt)
        raise AssertionError

    async def _asked(self, request: SearchRequest) -> SearchAnswer:
        try:
            if self._search is None:
                handle = await asyncio.to_thread(serve.get_app_handle, self.application)
                self._search = handle.options(method_name="search", _by_reference=True)
            return cast(SearchAnswer, await self._search.remote(request))
        except LookalikeError:
            raise
        except (RayError, RayServeException) as failure:
            raise Unavailable("no router of the service answers", "try again in a few seconds") from failure
