"""A part that is built in the background, and again when the files of its model have come or changed.

A model may load slowly, be missing, or be damaged; none of that may crash the process it is loaded in. Until it is
there whoever asks is told why it is not.
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
LOOK_INTERVAL_S = 2.0  # for files that were missing


class LoadingPart(Generic[P]):
    """create: builds the part. mark: see `deployments.extractor.NeedsWeights`; None where building it needs no files,
    so that trying again would change nothing.
    """

    def __init__(self, name: str, create: Callable[[], P], mark: Callable[[], str] | None = None) -> None:
        self._name = name
        self._create = create
        self._mark = mark
        self._built_of = ""  # the mark of the files that the part was built of
        self._closed = threading.Event()
        self._tried = threading.Event()
        self._lock = threading.Lock()
        self._loader: threading.Thread | None = None
        self.part: P | None = None
        self.state: PartState = "loading"
        self.failure: LookalikeError = ExtractorFailed(f"{name!r} is loading", "try again in a few seconds")
        self._start()

    def wait(self) -> None:
        """Until it was built, or could not be for the first time. What lacks its files fails at once."""
        self._tried.wait()

    def refresh(self) -> None:
        """Builds it again, beside the one there is, if its files are others by now."""
        if self.part is not None and self._mark is not None and self._current_mark() != self._built_of:
            self._start()

    def close(self) -> None:
        """Stops looking for files."""
        self._closed.set()

    def _start(self) -> None:
        with self._lock:
            if self._loader is None or not self._loader.is_alive():
                self._loader = threading.Thread(target=self._load, name=f"load-{self._name}", daemon=True)
                self._loader.start()

    def _load(self) -> None:
        """Until it is built of files that have not changed meanwhile."""
        while not self._closed.is_set():
            mark = self._current_mark()
            is_built = self._try(mark)
            self._tried.set()
            if self._mark is None or (is_built and self._current_mark() == mark):
                return
            while self._current_mark() == mark:
                if self._closed.wait(LOOK_INTERVAL_S):
                    return
            logger.info("the files of %s have changed; it is loaded again", self._name)

    def _current_mark(self) -> str:
        """What is wrong with the files counts as a state of theirs, too."""
        try:
            return "" if self._mark is None else self._mark()
        except Exception as failure:
            return repr(failure)

    def _try(self, mark: str) -> bool:
        if self.part is None and self.state == "unavailable":
            self.state = "loading"
        try:
            part = self._create()
        except LookalikeError as failure:
            self._fail(ExtractorUnavailable(*failure.args))
        except Exception as failure:
            logger.exception("%s cannot be built", self._name)
            reason = f"{self._name!r} cannot be built: {failure}"
            self._fail(ExtractorUnavailable(reason, "see the log of its replica"))
        else:
            self.part, self._built_of, self.state = part, mark, "ready"
            return True
        return False

    def _fail(self, failure: LookalikeError) -> None:
        logger.warning("%s", failure)
        if self.part is None:  # else the one there is goes on
            self.failure, self.state = failure, "unavailable"
