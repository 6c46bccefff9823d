"""From the settings to the shards that they ask for."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.annotators.registry import validate_annotator_config
from deployments.extractors.profile import ExtractorProfile
from graph.config.settings import TEXT_EXTRACTOR, AppSettings, is_zero_shot
from storage.cluster.plan import FleetPlan
from storage.errors import Misconfigured
from storage.shard.plan import ShardSettings
from storage.types.features import FeatureSpec
from storage.upkeep.factory import IndexConfig, check_index_config


def fleet_plan(settings: AppSettings, profiles: Mapping[str, ExtractorProfile]) -> FleetPlan:
    """The shards that these settings ask for. Raises `Misconfigured`."""
    check_annotators(settings)
    labels = tuple(settings.label_selector(index) for index in range(settings.shards)) if settings.shard_labels else ()
    shards = ShardSettings(
        features=tuple(profile.spec for profile in profiles.values() if profile.spec is not None),
        late=tuple(name for name, profile in profiles.items() if profile.spec is None),
        annotations=stored_annotators(settings),
        keeps_originals=keeps_originals(settings, profiles),
        index_configs=_index_configs(settings, profiles),
        snapshot_interval_s=settings.snapshot.interval_s,
        snapshot_min_changes=settings.snapshot.min_changes,
    )
    return FleetPlan(str(settings.data_dir.resolve()), settings.shards, shards, labels)


def check_annotators(settings: AppSettings) -> None:
    """Raises `Misconfigured` for labels that no extractor here can embed."""
    for name, options in settings.annotators.items():
        if is_zero_shot(options) and TEXT_EXTRACTOR not in settings.extractors:
            raise Misconfigured(
                f"annotators.{name}.labels needs the extractor {TEXT_EXTRACTOR!r}, whose vectors it compares",
                f"list {TEXT_EXTRACTOR} under extractors, or give {name} a model of its own",
            )


def stored_annotators(settings: AppSettings) -> tuple[str, ...]:
    """Those whose words are kept with the pictures. Raises `Misconfigured`."""
    configs = {name: validate_annotator_config(name, options) for name, options in settings.annotators.items()}
    return tuple(name for name, config in configs.items() if getattr(config, "store", False))


def keeps_originals(settings: AppSettings, profiles: Mapping[str, ExtractorProfile]) -> bool:
    """Of uploads, for models that come later."""
    if settings.keep_uploads != "auto":
        return settings.keep_uploads == "always"
    return bool(stored_annotators(settings)) or any(profile.spec is None for profile in profiles.values())


def _index_configs(settings: AppSettings, profiles: Mapping[str, ExtractorProfile]) -> Mapping[str, IndexConfig]:
    """Raises `Misconfigured` for a kind of index that a feature cannot have."""
    configs = {name: IndexConfig(**options.model_dump()) for name, options in settings.indexes.items()}
    for name, config in configs.items():
        # Where the model decides, nothing depends on its kind and metric.
        check_index_config(profiles[name].spec or FeatureSpec(name, "dense", 1, "cosine", ""), config)
    return configs
