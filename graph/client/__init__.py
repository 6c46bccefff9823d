"""The Python client of a running service: `Client`, and its async twin `AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        client.add(Path("bridge.jpg"), id="bridge")
        for result in client.search(Path("crop.jpg")).results:
            print(result.id, result.score)

Errors are those of `storage.errors`, as the service raised them; one that does not answer is
`storage.errors.ServiceUnreachable`.
"""

from graph.client.answers import (
    AddedImage,
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
from graph.client.asynchronous import AsyncClient
from graph.client.blocking import Client
from graph.client.job_answers import Job, JobFailure, JobFailures, LibraryRoot

__all__ = [
    "AddedImage",
    "AsyncClient",
    "Client",
    "DuplicateGroup",
    "DuplicatePage",
    "DuplicatePicture",
    "FeatureReport",
    "ImagePage",
    "ImageRow",
    "Job",
    "JobFailure",
    "JobFailures",
    "LibraryRoot",
    "PartReport",
    "Readiness",
    "SearchAnswer",
    "SearchResult",
    "ServiceStats",
    "ShardCheck",
    "ShardTraining",
    "ShardUsage",
    "Tag",
    "Training",
    "Verification",
]
