"""The Python client of a running Lookalike service: `Client`, and its async twin `AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        client.add(Path("bridge.jpg"), id="bridge")
        for result in client.search(Path("crop.jpg")).results:
            print(result.id, result.score)

Errors are those of `lookalike_client.errors`, as the service raised them; one that does not answer is
`lookalike_client.errors.ServiceUnreachable`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from lookalike_client import errors

if TYPE_CHECKING:
    from lookalike_client.answers import (
        AddedImage,
        Decision,
        DuplicateGroup,
        DuplicatePage,
        DuplicatePicture,
        FeatureReport,
        ImagePage,
        ImageRow,
        PartReport,
        Readiness,
        SearchAnswer,
        SearchResult,
        ServiceStats,
        ShardCheck,
        ShardTraining,
        ShardUsage,
        Tag,
        Training,
        Verification,
    )
    from lookalike_client.asynchronous import AsyncClient
    from lookalike_client.blocking import Client
    from lookalike_client.job_answers import Job, JobFailure, JobFailures, LibraryRoot, Thresholds
    from lookalike_client.matches import (
        Changed,
        DistanceMatch,
        Evidence,
        Explanation,
        FoundWord,
        KeypointMatch,
        Match,
        Overlap,
        Transform,
        WordMatch,
    )

__all__ = [
    "AddedImage",
    "AsyncClient",
    "Changed",
    "Client",
    "Decision",
    "DistanceMatch",
    "DuplicateGroup",
    "DuplicatePage",
    "DuplicatePicture",
    "Evidence",
    "Explanation",
    "FeatureReport",
    "FoundWord",
    "ImagePage",
    "ImageRow",
    "Job",
    "JobFailure",
    "JobFailures",
    "KeypointMatch",
    "LibraryRoot",
    "Match",
    "Overlap",
    "PartReport",
    "Readiness",
    "SearchAnswer",
    "SearchResult",
    "ServiceStats",
    "ShardCheck",
    "ShardTraining",
    "ShardUsage",
    "Tag",
    "Thresholds",
    "Training",
    "Transform",
    "Verification",
    "WordMatch",
    "errors",
]

if not TYPE_CHECKING:
    # A module is imported with the first of its names that is asked for: whoever wants the errors alone, as every
    # process of the service does, waits neither for httpx nor for the classes of the answers.
    HOMES = ("matches", "answers", "job_answers", "blocking", "asynchronous")

    def __getattr__(name: str) -> object:
        for home in HOMES if name in __all__ else ():
            found = getattr(import_module(f"{__name__}.{home}"), name, None)
            if found is not None:
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
