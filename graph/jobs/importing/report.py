"""What an import came to, folder by folder, and what did not fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import FeatureTable
from graph.ambience_data.keypoints import KeypointCounts
from graph.jobs.importing.destinations import Destination
from graph.jobs.importing.plan import ImportedPicture

KEYPOINTS_STAY = (
    "counted and checked, not imported: the original's keypoints have no size and no direction, which the geometric "
    "check goes by; where the photos are there, a backfill of local computes them"
)


@dataclass(slots=True)
class TableCount:
    """Of a table: values that were stored, that were there already, and that were not taken. reason: as of a
    `Destination`.
    """

    path: str
    feature: str
    entries: int
    imported: int = 0
    unchanged: int = 0
    left_out: int = 0
    reason: str = ""


@dataclass(slots=True)
class PhotoCount:
    """attached: photos that pictures got. there: pictures that have their file already. missing: those without."""

    folder: str
    attached: int = 0
    there: int = 0
    missing: int = 0


@dataclass(slots=True)
class ImportReport:
    """Counts while the job runs. In a dry run, imported and attached are what would be."""

    dry_run: bool
    defects: Defects
    photos: PhotoCount | None = None
    tables: dict[str, TableCount] = field(default_factory=dict)
    keypoints: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, table: FeatureTable, destination: Destination) -> None:
        self.tables[table.path] = TableCount(table.path, table.feature, table.store.entries, reason=destination.reason)

    def count(self, pictures: Iterable[ImportedPicture]) -> None:
        for picture in pictures:
            for table in picture.found.left_out:
                self.tables[table.path].left_out += 1
            for feature, (table, _) in picture.found.values.items():
                count = self.tables[table.path]
                match picture.state_of(feature):
                    case "imported":
                        count.imported += 1
                    case "unchanged":
                        count.unchanged += 1
                    case _:
                        count.left_out += 1
            if self.photos is not None:
                self.photos.attached += picture.photo == "attached" and picture.outcome in ("created", "replaced")
                self.photos.there += picture.photo == "there"
                self.photos.missing += picture.photo == "missing"

    def add_keypoints(self, path: str, counts: KeypointCounts, *, has_ranges: bool) -> None:
        reason = KEYPOINTS_STAY if has_ranges else f"{KEYPOINTS_STAY}; say whose they are (keypoint_ranges)"
        self.keypoints.append({"path": path, **asdict(counts), "reason": reason})

    def as_json(self) -> dict[str, Any]:
        return {
            "dry_run": self.dry_run,
            "tables": [asdict(count) for count in self.tables.values()],
            "keypoints": self.keypoints,
            "photos": None if self.photos is None else asdict(self.photos),
            "defects": [asdict(count) for count in self.defects.counts],
        }
