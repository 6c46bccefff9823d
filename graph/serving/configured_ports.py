"""The ports of all configured extractors and annotators, over their deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.annotators.registry import validate_annotator_config
from deployments.extractors.profile import ExtractorProfile
from graph.config.settings import AppSettings
from graph.config.zero_shot_options import TEXT_EXTRACTOR, is_zero_shot
from graph.ports.contract import AnnotatorPort
from graph.ports.ray_extractor import RayAnnotatorPort, RayExtractorPort
from graph.ports.replica_calls import RayPart, ReplicaCounts
from graph.ports.zero_shot import ZeroShotPort

EXTRACTOR_BATCH = 16  # calls that travel together, where its options name no batch size
ANNOTATOR_BATCH = 1  # a caption takes seconds on a CPU: nobody waits for the captions of others

Handles = Mapping[str, DeploymentHandle[Any]]


def extractor_ports(
    settings: AppSettings, handles: Handles, profiles: Mapping[str, ExtractorProfile], replicas: ReplicaCounts
) -> dict[str, RayExtractorPort]:
    ports = {}
    for name, handle in handles.items():
        batch = int(settings.extractors[name].get("batch_size", EXTRACTOR_BATCH))
        ports[name] = RayExtractorPort(RayPart(name, handle, replicas=replicas, batch=batch), profiles[name])
    return ports


def annotator_ports(
    settings: AppSettings, handles: Handles, extractors: Mapping[str, RayExtractorPort], replicas: ReplicaCounts
) -> dict[str, AnnotatorPort]:
    """Over its deployment, or over the extractor whose vectors it needs."""
    ports: dict[str, AnnotatorPort] = {}
    for name, options in settings.annotators.items():
        config = validate_annotator_config(name, options)
        if is_zero_shot(options):
            ports[name] = ZeroShotPort(name, config, extractors[TEXT_EXTRACTOR])
            continue
        part = RayPart(name, handles[name], replicas=replicas, batch=int(options.get("batch_size", ANNOTATOR_BATCH)))
        ports[name] = RayAnnotatorPort(part, is_stored=bool(getattr(config, "store", False)))
    return ports
