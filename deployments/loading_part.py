"""A part that is built in the background, and again when the files of its model have come or changed.

A model may load slowly, be missing, or be damaged; none of that may hold up or crash the process it is loaded in. Until
it is there whoever asks is told why it is not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from storage.errors import ExtractorFailed, ExtractorUnavailable, LookalikeError

logger = logging.getLogger(__name__)
P = TypeVar("P")

PartState = Literal["ready", "loading", "unavailable"]
QUICK_LOAD_S = 2.0
LOOK_INTERVAL_S = 2.0  # for files that were missing


class LoadingPart(Generic[P]):
    """create: builds the part. mark: see `deployments.extractor.NeedsWeights`; None where building it needs no files,
    so that trying again would change nothing.
    """

    def __init__(self, name: str, create: Callable[[], P], mark: Callable[[], str] | None = None) -> None:
        self._name = name
        self._create = create
        self._mark = mark
        self._closed = threading.Event()
        self._tried = threading.Event()
        self.part: P | None = None
        self.state: PartState = "loading"
        self.failure: LookalikeError = ExtractorFailed(f"{name!r} is loading", "try again in a few seconds")
        threading.Thread(target=self._load, name=f"load-{name}", daemon=True).start()
        self._tried.wait(QUICK_LOAD_S)  # what needs no weights is there at once

    def close(self) -> None:
        """Stops looking for files."""
        self._closed.set()

    def _load(self) -> None:
        while True:
            tried = self._current_mark()
            is_built = self._try()
            self._tried.set()
            if is_built or self._mark is None:
                return
            while self._current_mark() == tried:
                if self._closed.wait(LOOK_INTERVAL_S):
                    return
            logger.info("the files of %s have changed; it is loaded again", self._name)
            self.state = "loading"

    def _current_mark(self) -> str:
        """What is wrong with the files counts as a state of theirs, too."""
        try:
            return "" if self._mark is None else self._mark()
        except Exception as failure:
            return repr(failure)

    def _try(self) -> bool:
        try:
            self.part = self._create()
        except LookalikeError as failure:
            self._fail(ExtractorUnavailable(failure.message, failure.hint))
        except Exception as failure:
            logger.exception("%s cannot be built", self._name)
            reason = f"{self._name!r} cannot be built: {failure}"
            self._fail(ExtractorUnavailable(reason, "see the log of its replica"))
        else:
            self.state = "ready"
        return self.part is not None

    def _fail(self, failure: LookalikeError) -> None:
        logger.warning("%s", failure)
        self.failure = failure
        self.state = "unavailable"
