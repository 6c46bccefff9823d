"""The data folder's own description, ``lookalike.json``: read before any shard is opened, so that a wrong start is
refused at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.errors import CorruptData, Misconfigured
from storage.files import sync_path
from storage.tables.registration import check_fingerprints
from storage.types.features import FeatureSpec

FORMAT = 1
MANIFEST_NAME = "lookalike.json"


@dataclass(frozen=True, slots=True)
class DataManifest:
    """fingerprints: by feature, of every feature ever kept here."""

    format: int
    shards: int
    fingerprints: Mapping[str, str]


def shard_directory(data_dir: Path, index: int) -> Path:
    return data_dir / f"shard-{index:05d}"


def read_manifest(data_dir: Path) -> DataManifest | None:
    """None for a folder that holds no data yet. Raises `CorruptData`."""
    path = data_dir / MANIFEST_NAME
    try:
        fields = json.loads(path.read_text("utf-8"))
        manifest = DataManifest(int(fields["format"]), int(fields["shards"]), dict(fields["fingerprints"]))
    except FileNotFoundError:
        if any(data_dir.glob("shard-*")):
            raise CorruptData(f"{data_dir} has shards but no {MANIFEST_NAME}") from None
        return None
    except (ValueError, KeyError, TypeError) as failure:
        raise CorruptData(f"{path} cannot be read: {failure!r}") from failure
    if manifest.format != FORMAT:
        hint = "use the version that wrote it"
        raise CorruptData(f"{path} has format {manifest.format}, this program reads {FORMAT}", hint)
    return manifest


def check_data_folder(data_dir: Path, shards: int, features: Sequence[FeatureSpec]) -> DataManifest | None:
    """What the folder says of itself; None where it holds no data yet. Raises `Misconfigured` for another number of
    shards, `FingerprintMismatch` for another model's data, `CorruptData`.
    """
    known = read_manifest(data_dir)
    if known is not None and known.shards != shards:
        raise Misconfigured(
            f"{data_dir} holds {known.shards} shards, the configuration says {shards}",
            f"set shards: {known.shards}, or index the pictures anew into another data folder",
        )
    check_fingerprints(features, known.fingerprints if known else {})
    return known


def ensure_manifest(data_dir: Path, shards: int, features: Sequence[FeatureSpec]) -> DataManifest:
    """Checks the folder as `check_data_folder` does and writes down what is new: all of it, the first time."""
    known = check_data_folder(data_dir, shards, features)
    fingerprints = {**(known.fingerprints if known else {}), **{spec.name: spec.fingerprint for spec in features}}
    manifest = DataManifest(FORMAT, shards, dict(sorted(fingerprints.items())))
    if manifest != known:
        data_dir.mkdir(parents=True, exist_ok=True)
        unfinished = data_dir / f"{MANIFEST_NAME}.unfinished"
        unfinished.write_text(json.dumps(asdict(manifest), indent=1) + "\n", "utf-8")
        sync_path(unfinished)
        unfinished.replace(data_dir / MANIFEST_NAME)
        sync_path(data_dir)
    return manifest
