"""From the settings to the shards that they ask for."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.profile import ExtractorProfile
from graph.settings import AppSettings
from storage.index_kinds import IndexConfig, check_index_config
from storage.shard_plan import FleetPlan


def fleet_plan(settings: AppSettings, profiles: Mapping[str, ExtractorProfile]) -> FleetPlan:
    """The shards that these settings ask for."""
    labels = tuple(settings.label_selector(index) for index in range(settings.shards)) if settings.shard_labels else ()
    return FleetPlan(
        data_dir=str(settings.data_dir.resolve()),
        shard_count=settings.shards,
        features=tuple(profile.spec for profile in profiles.values()),
        label_selectors=labels,
        snapshot_interval_s=settings.snapshot.interval_s,
        snapshot_min_changes=settings.snapshot.min_changes,
        index_configs=_index_configs(settings, profiles),
    )


def _index_configs(settings: AppSettings, profiles: Mapping[str, ExtractorProfile]) -> Mapping[str, IndexConfig]:
    """Raises `Misconfigured` for a kind of index that a feature cannot have."""
    configs = {name: IndexConfig(**options.model_dump()) for name, options in settings.indexes.items()}
    for name, config in configs.items():
        check_index_config(profiles[name].spec, config)
    return configs
