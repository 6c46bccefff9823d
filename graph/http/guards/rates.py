"""How often a key may ask."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable

from graph.config.api_keys import ApiKey
from storage.errors import RateLimited

WINDOW_S = 60.0


class Rates:
    """Of one router: no key is answered more often within any 60 seconds than it may be in a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered: defaultdict[str, deque[float]] = defaultdict(deque)  # by the key's hash: when

    def take(self, key: ApiKey) -> None:
        """Raises RateLimited. What is refused does not count."""
        most = key.requests_per_minute
        if most is None:
            return
        now, answered = self._clock(), self._answered[key.hash]
        while answered and answered[0] <= now - WINDOW_S:
            answered.popleft()
        if len(answered) < most:
            answered.append(now)
            return
        refusal = RateLimited(
            f"the API key {key.name!r} may ask {most} times a minute",
            "ask less often, or have its requests_per_minute raised",
        )
        refusal.retry_after_s = max(1, math.ceil(answered[-most] + WINDOW_S - now))
        raise refusal
