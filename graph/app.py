"""The only binder: from settings to the graph of deployments that Ray Serve runs."""

from __future__ import annotations

from typing import Any

from ray import serve

from deployments.extractors.profile import extractor_profiles
from deployments.replica.extractor_service import part_deployment
from graph.config.fleet_plan import fleet_plan
from graph.config.settings import app_settings, is_zero_shot
from graph.serving.router import router_deployment
from storage.shard.data_folder import ensure_manifest


def build(args: dict[str, Any]) -> serve.Application:
    """What a Serve configuration file names as ``import_path: graph.app:build``. Raises Misconfigured."""
    settings = app_settings(args)
    plan = fleet_plan(settings, extractor_profiles(settings.extractors))
    ensure_manifest(settings.data_dir, settings.shards, plan.settings.features)
    extractors = {name: part_deployment("extractor", name, options) for name, options in settings.extractors.items()}
    annotators = {
        name: part_deployment("annotator", name, options)
        for name, options in settings.annotators.items()
        if not is_zero_shot(options)
    }
    return router_deployment(settings.model_dump(mode="json"), extractors, annotators)
