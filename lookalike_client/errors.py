"""The exception tree of Lookalike.

    LookalikeError
    |-- InvalidRequest (ValueError)      a value the caller sent cannot be used
    |   |-- InvalidField                   a well-formed request with a field out of its range
    |   |-- UnknownFeature                 a feature that no extractor here computes
    |   `-- UnreadableImage                bytes that are not a picture we can decode
    |       |-- UnsupportedImage             not a picture, or a format outside the allow-list
    |       `-- ImageTooLarge                more pixels than the limit
    |-- Unauthorized (PermissionError)   no API key, or one that is wrong or has expired
    |-- Forbidden (PermissionError)      the key lacks the right, or a browser sent it on behalf of another site
    |-- BodyTooLarge                     an upload over the body limit
    |-- NotFound (LookupError)
    |   |-- ImageNotFound
    |   `-- JobNotFound
    |-- ImageExists                      the id is taken and the request says not to replace
    |-- Busy                             a queue is full: try again later
    |   `-- RateLimited                    the key was used as often as it may be in a minute
    |-- DeadlineExceeded (TimeoutError)  the answer did not come in time
    |-- Unavailable (RuntimeError)       a part of the service is down for now
    |   |-- ExtractorUnavailable           cannot work as it is set up: a model is missing, say
    |   |-- ExtractorFailed                did not answer this time: loading, restarting, crashed
    |   `-- ShardUnavailable
    |       `-- ShardBroken                    cannot be opened, however long one waits
    |-- Misconfigured (ValueError)       the configuration cannot be run
    |   `-- FingerprintMismatch            the data was written by another model or version
    |-- StorageFailure (RuntimeError)    the data cannot be read or written
    |   |-- DiskFull                       nothing can be written until there is room
    |   |-- DataFolderInUse                another process owns the folder
    |   |-- LostOwnership                  another process took the folder over
    |   `-- CorruptData                    a stored value does not decode
    `-- ServiceUnreachable (ConnectionError)  raised by clients only

Every error carries a stable ``code`` (what HTTP clients switch on), a message that says what went wrong, and a
``hint`` that says what to do. Where that is a request over HTTP and a command in the shell, ``shell_hint`` is the hint
in the words of the shell; whoever shows an error takes the one for the place where it is read. All of them survive
pickling, because they cross process boundaries.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import ClassVar


class LookalikeError(Exception):
    """Base of every error that Lookalike raises on purpose."""

    code: ClassVar[str] = "internal"
    status: int | None = None  # of the HTTP answer; set on errors that a client raises
    request_id: str | None = None  # what the service's log calls the failed request; set likewise

    def __init__(self, message: str, hint: str = "", shell_hint: str = "") -> None:
        super().__init__(message, hint, shell_hint)
        self.message = message
        self.hint = hint
        self.shell_hint = shell_hint or hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidRequest(LookalikeError, ValueError):
    code = "invalid_request"


class InvalidField(InvalidRequest):
    code = "invalid_field"


class UnknownFeature(InvalidRequest):
    code = "unknown_feature"


class UnreadableImage(InvalidRequest):
    code = "unreadable_image"


class UnsupportedImage(UnreadableImage):
    code = "unsupported_image"


class ImageTooLarge(UnreadableImage):
    code = "image_too_large"


class Unauthorized(LookalikeError, PermissionError):
    code = "unauthorized"


class Forbidden(LookalikeError, PermissionError):
    code = "forbidden"


class BodyTooLarge(LookalikeError):
    code = "body_too_large"


class NotFound(LookalikeError, LookupError):
    code = "not_found"


class ImageNotFound(NotFound):
    code = "image_not_found"


class JobNotFound(NotFound):
    code = "job_not_found"


class ImageExists(LookalikeError):
    code = "image_exists"


class Busy(LookalikeError):
    code = "busy"


class RateLimited(Busy):
    code = "rate_limited"
    retry_after_s: int = 60


class DeadlineExceeded(LookalikeError, TimeoutError):
    code = "deadline_exceeded"


class Unavailable(LookalikeError, RuntimeError):
    code = "unavailable"


class ExtractorUnavailable(Unavailable):
    code = "extractor_unavailable"


class ExtractorFailed(Unavailable):
    code = "extractor_failed"


class ShardUnavailable(Unavailable):
    code = "shard_unavailable"


class ShardBroken(ShardUnavailable):
    code = "shard_broken"


class Misconfigured(LookalikeError, ValueError):
    code = "misconfigured"


class FingerprintMismatch(Misconfigured):
    code = "fingerprint_mismatch"


class StorageFailure(LookalikeError, RuntimeError):
    code = "storage_failure"


class DiskFull(StorageFailure):
    code = "disk_full"


class DataFolderInUse(StorageFailure):
    code = "data_folder_in_use"


class LostOwnership(StorageFailure):
    code = "lost_ownership"


class CorruptData(StorageFailure):
    code = "corrupt_data"

    def __init__(
        self,
        message: str,
        hint: str = "put a copy of the data folder in its place, or index anew",
        shell_hint: str = "",
    ) -> None:
        super().__init__(message, hint, shell_hint)


class ServiceUnreachable(LookalikeError, ConnectionError):
    code = "service_unreachable"


@cache
def errors_by_code() -> dict[str, type[LookalikeError]]:
    """Every class of the tree by its code."""
    return {kind.code: kind for kind in _tree(LookalikeError)}


def error_from_code(code: str, message: str, hint: str, shell_hint: str) -> LookalikeError:
    """The error that another process described."""
    return errors_by_code().get(code, LookalikeError)(message, hint, shell_hint)


def _tree(kind: type[LookalikeError]) -> Iterator[type[LookalikeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
