"""What is said of an extractor or an annotator, from its replica's own report and from what its index allows."""

from __future__ import annotations

from dataclasses import replace

from deployments.replica.part_host import ReplicaReport
from graph.ports.contract import ExtractorPort, ExtractorStatus, ServedModel
from storage.errors import ExtractorFailed, ExtractorUnavailable, LookalikeError


def extractor_status(
    name: str, served: ServedModel, said: ReplicaReport, replicas: int, *, is_late: bool
) -> ExtractorStatus:
    """said: of the model that is served."""
    spec = served.spec or said.spec
    status = ExtractorStatus(
        name, said.state, said.reason, spec, said.model, replicas, version=None if spec is None else spec.fingerprint
    )
    is_loaded_late = said.state == "ready" and is_late
    if served.refusal is not None and (is_loaded_late or said.state == "unavailable"):
        return replace(status, state="unavailable", reason=str(served.refusal))
    if not is_loaded_late:
        return status
    if served.spec is None:
        reason = "its model is loaded, and the shards make room for what it computes"
        return replace(status, state="loading", reason=reason)
    return replace(status, reason=served.note)


def annotator_status(name: str, said: ReplicaReport, replicas: int) -> ExtractorStatus:
    return ExtractorStatus(
        name, said.state, said.reason, None, said.model, replicas, role="annotator", version=said.fingerprint
    )


def refuse_unserved(name: str, served: ServedModel) -> None:
    """Raises what a call to a model that is not at work would get."""
    if served.refusal is not None:
        raise ExtractorUnavailable(*served.refusal.args)
    if served.spec is None:
        raise ExtractorFailed(f"{name!r} has no model yet", "GET /v1/features says why", "see `lookalike status`")


async def explained(port: ExtractorPort) -> LookalikeError:
    """Why the feature has no model to ask."""
    if port.served.refusal is not None:
        return ExtractorUnavailable(*port.served.refusal.args)
    status = await port.status()
    if status.state == "unavailable":
        return ExtractorUnavailable(status.reason)
    return ExtractorFailed(status.reason or f"the model of {port.name!r} has just changed", "try again in a second")
