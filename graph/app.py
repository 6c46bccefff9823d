"""The only binder: from settings to the graph of deployments that Ray Serve runs."""

from __future__ import annotations

from typing import Any

from ray import serve

from deployments.extractor_service import extractor_deployment
from deployments.profile import extractor_profiles
from graph.router import router_deployment
from graph.settings import app_settings
from storage.manifest import ensure_manifest


def build(args: dict[str, Any]) -> serve.Application:
    """What a Serve configuration file names as ``import_path: graph.app:build``. Raises Misconfigured."""
    settings = app_settings(args)
    profiles = extractor_profiles(settings.extractors)
    ensure_manifest(settings.data_dir, settings.shards, [profile.spec for profile in profiles.values()])
    extractors = {name: extractor_deployment(name, options) for name, options in settings.extractors.items()}
    return router_deployment(settings.model_dump(mode="json"), extractors)
