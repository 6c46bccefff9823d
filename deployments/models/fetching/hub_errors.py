"""What goes wrong between this machine and the Hugging Face hub, as errors of ours: one line and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from storage.errors import ExtractorUnavailable, LookalikeError, Unavailable

COPY_A_FOLDER = "check the connection or the proxy (HTTPS_PROXY), or copy the model's folder here and name it instead"
GO_ON = "run the same command again: it goes on where it ended"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def in_our_words(model: str, endpoint: str, when_cut_off: str = COPY_A_FOLDER) -> Iterator[None]:
    """Raises `ExtractorUnavailable` for a model that cannot be had, `Unavailable` for a hub that cannot be reached.

    when_cut_off: what to do about the latter.
    """
    from httpx2 import HTTPError
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except LookalikeError:
        raise
    except (HTTPError, HFValidationError, OfflineModeIsEnabled) as error:
        raise _ours(model, endpoint, error, when_cut_off) from error
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        message = f"there is no space left for {model!r}"
        raise ExtractorUnavailable(message, "free some, or set HF_HOME to a folder on another disk") from error


def _ours(model: str, endpoint: str, error: Exception, when_cut_off: str) -> LookalikeError:
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            hint = f"ask for access at {endpoint}/{model}, then run `hf auth login` and the same command again"
            return ExtractorUnavailable(f"{model!r} is gated: its owner lets in only who asked", hint)
        case errors.RepositoryNotFoundError():
            hint = "correct the id; if it is private, run `hf auth login` first"
            return ExtractorUnavailable(f"{endpoint} has no model {model!r} that you may see", hint)
        case errors.RevisionNotFoundError():
            return ExtractorUnavailable(f"{model!r} has no such revision", "correct `revision`, or leave it out")
        case errors.HFValidationError():
            hint = "write it like facebook/dinov2-small, or name a folder that exists"
            return ExtractorUnavailable(f"{model!r} is not the id of a model", hint)
        case errors.OfflineModeIsEnabled():
            return Unavailable("HF_HUB_OFFLINE is set, so nothing is fetched", "unset it, or copy the model's folder")
        case errors.HfHubHTTPError():
            status = error.response.status_code
            return Unavailable(f"{endpoint} answered {status} for {model!r}", "check HF_ENDPOINT, or try again later")
        case _:
            reason = str(error) or type(error).__name__
            return Unavailable(f"the model hub {endpoint} cannot be reached ({reason})", when_cut_off)
