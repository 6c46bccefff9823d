"""Names of extractors and annotators that a configuration or a request gives, and what to do about wrong ones."""

from __future__ import annotations

from collections.abc import Collection

from deployments.annotators.registry import ANNOTATORS
from deployments.extractors.registry import EXTRACTORS
from storage.errors import UnknownFeature, did_you_mean


def section_of(name: object) -> str | None:
    """Where a configuration lists the part, ``extractors`` or ``annotators``; None for a name that no part has."""
    return next((parts.section for parts in (EXTRACTORS, ANNOTATORS) if name in parts.offered), None)


def unknown_feature(name: str, configured: Collection[str], *, annotators: bool = False) -> UnknownFeature:
    """The refusal of a name that is not among the configured ones. annotators: whether one of those could be meant."""
    section = section_of(name)
    if section == ANNOTATORS.section and not annotators:
        what_there_is = f"the features here are {', '.join(configured)}"
        return UnknownFeature(f"{name!r} is an annotator, which has no index", what_there_is)
    if section is not None:
        there = f"list it under args.{section} in the configuration and start the service again"
        return UnknownFeature(
            f"{name!r} is not configured in this service",
            f"{there}; a backfill of {name!r} then computes it for what is stored",
            f"{there}; `lookalike backfill {name}` then computes it for what is stored",
        )
    offered = (*EXTRACTORS.offered, *(ANNOTATORS.offered if annotators else ()))
    return UnknownFeature(f"no feature is called {name!r}", did_you_mean(name, configured, offered))
