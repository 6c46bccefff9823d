"""Pictures of an original installation into the shards, a batch in one transaction of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from graph.ambience_data.defects import Defects
from graph.ambience_data.folders import FeatureTable
from graph.ambience_data.pictures import FoundPicture
from graph.ambience_data.vectors import rows_of
from graph.jobs.importing.destinations import Destinations
from graph.jobs.importing.photos import Photo, PhotoReader
from graph.jobs.importing.plan import (
    PHASH,
    ImportedPicture,
    StoredPicture,
    add_features,
    agrees,
    with_views,
    without_place,
    write_of_one_feature,
)
from graph.jobs.running.fleet_shards import ShardCalls
from storage.errors import LookalikeError
from storage.operations.features import RowsOfEach
from storage.operations.pictures import Records
from storage.shard.placement import shard_of
from storage.tables.feature_states import has_file
from storage.types.features import FeatureRows
from storage.types.mutations import MutationResult


class PictureImporter:
    """``take`` may be called from several threads. asked: every feature and annotation that is kept of a picture."""

    def __init__(
        self,
        job_id: str,
        shards: ShardCalls,
        destinations: Destinations,
        defects: Defects,
        *,
        asked: Sequence[str],
        photos: PhotoReader | None,
        dry_run: bool,
    ) -> None:
        self._job_id = job_id
        self._shards = shards
        self._destinations = destinations
        self._defects = defects
        self._asked = asked
        self._photos = photos
        self._dry_run = dry_run

    def take(self, found: Sequence[FoundPicture]) -> list[ImportedPicture]:
        """Every picture with its outcome. Raises `ShardUnavailable` for a shard that stays away."""
        pictures = [ImportedPicture(one) for one in found]
        self._read_rows(pictures)
        by_shard: dict[int, list[ImportedPicture]] = defaultdict(list)
        for picture in pictures:
            by_shard[shard_of(picture.id, self._shards.count)].append(picture)
        for shard, mine in by_shard.items():
            overtaken = self._import(shard, mine, attempt=1)
            for picture in self._import(shard, overtaken, attempt=2):
                self._refuse(picture, "conflict", "others added to this picture at the same time: import it again")
        return pictures

    def _import(self, shard: int, pictures: Sequence[ImportedPicture], attempt: int) -> list[ImportedPicture]:
        """Those come back that others added to, or replaced, between the look at them and the write."""
        if not pictures:
            return []
        stored = self._stored(shard, pictures)
        with_views(picture for picture in pictures if picture.id not in stored or not stored[picture.id].has(PHASH))
        for picture in pictures:
            self._plan(picture, stored.get(picture.id), attempt)
        writes = [picture for picture in pictures if picture.write is not None]
        return self._apply(shard, writes) if writes and not self._dry_run else []

    def _read_rows(self, pictures: Sequence[ImportedPicture]) -> None:
        """Tables without a place here are looked at, too."""
        values: dict[FeatureTable, dict[int, bytes]] = defaultdict(dict)
        for picture in pictures:
            for table, value in picture.found.values.values():
                values[table][picture.found.id] = value
        by_id = {picture.found.id: picture for picture in pictures}
        for table, of_table in values.items():
            rows = rows_of(table.feature, table.width, table.path, of_table, self._defects)
            spec = self._destinations.of(table).spec
            if spec is not None:
                for image_id, row in rows.items():
                    by_id[image_id].rows[table.feature] = FeatureRows(row, fingerprint=spec.fingerprint)

    def _stored(self, shard: int, pictures: Sequence[ImportedPicture]) -> dict[str, StoredPicture]:
        records = self._shards.ask_patiently(shard, Records(tuple(picture.id for picture in pictures)))
        known = [record for record in records if record is not None]
        if not known:
            return {}
        names = tuple(sorted({name for picture in pictures for name in picture.rows}))
        rows = self._shards.ask_patiently(shard, RowsOfEach(tuple(record.id for record in known), names))
        return {record.id: StoredPicture(record, one or {}) for record, one in zip(known, rows, strict=True)}

    def _plan(self, picture: ImportedPicture, stored: StoredPicture | None, attempt: int) -> None:
        picture.write, picture.outcome = None, "unchanged"
        if stored is not None and (other := self._contradiction(picture, stored)) is not None:
            self._refuse(picture, "conflict", f"the collection has another picture with this id: its {other} differs")
            return
        picture.there = frozenset(name for name in picture.rows if stored is not None and stored.has(name))
        photo = self._photo(picture, stored)
        if photo is not None and PHASH in self._asked:
            picture.rows[PHASH] = photo.phash  # with the true views, and of the photo turned upright
        picture.write = add_features(
            picture.id,
            picture.rows,
            operation_id=f"{self._job_id}/{picture.id}/{attempt}",
            asked=self._asked,
            file_name=picture.found.file_name,
            stored=stored,
            photo=photo,
        )
        if picture.write is not None:
            picture.outcome = "created" if stored is None else "replaced"
        elif stored is None:
            has_place = any(self._destinations.of(table).spec is not None for table, _ in picture.found.values.values())
            picture.outcome = "refused" if has_place else "skipped"

    def _contradiction(self, picture: ImportedPicture, stored: StoredPicture) -> str | None:
        """A feature that shows the stored picture to be another one."""
        for name, rows in picture.rows.items():
            spec = self._destinations.spec_of(name)
            if name in stored.rows and spec is not None and not agrees(spec.metric, rows.rows, stored.rows[name]):
                return name
        return None

    def _photo(self, picture: ImportedPicture, stored: StoredPicture | None) -> Photo | None:
        if self._photos is None:
            return None
        if stored is not None and has_file(stored.record):
            picture.photo = "there"
            return None
        if picture.photo in ("attached", "missing"):
            return picture.file
        phash = picture.rows.get(PHASH)
        stored_hash = None if phash is None else phash.rows
        picture.file = self._photos.read(picture.found.id, picture.found.file_name, stored_hash)
        picture.photo = "missing" if picture.file is None else "attached"
        return picture.file

    def _apply(self, shard: int, pictures: Sequence[ImportedPicture]) -> list[ImportedPicture]:
        """Those come back whose write is in conflict with what the shard has."""
        writes = [picture.write for picture in pictures if picture.write is not None]
        results = self._shards.apply_patiently(shard, writes)
        overtaken: list[ImportedPicture] = []
        lost: dict[str, list[ImportedPicture]] = defaultdict(list)
        for picture, write, result in zip(pictures, writes, results, strict=True):
            if isinstance(result, LookalikeError):
                self._refuse(picture, result.code, result.message)
            elif result.outcome == "conflict":
                overtaken.append(picture)
            else:
                for name in without_place(write, result):
                    lost[name].append(picture)
        for name, of_feature in lost.items():
            self._apply_again(shard, name, of_feature)
        return overtaken

    def _refuse(self, picture: ImportedPicture, code: str, reason: str) -> None:
        self._defects.add(code, picture.id, reason)
        picture.outcome = "refused"

    def _apply_again(self, shard: int, feature: str, pictures: Sequence[ImportedPicture]) -> None:
        """Rows of a model whose place was taken between its adoption and its first row."""
        writes = [write_of_one_feature(picture.write, feature) for picture in pictures if picture.write is not None]
        results: Sequence[MutationResult | LookalikeError] = []
        if self._destinations.adopt_again(feature):
            results = self._shards.apply_patiently(shard, writes)
        stored = {
            result.record.id
            for result in results
            if isinstance(result, MutationResult)
            and result.record is not None
            and result.record.features[feature] == "ok"
        }
        for picture in pictures:
            if picture.id not in stored and picture.write is not None:
                reason = f"{feature} is left out: the service took in vectors of another model meanwhile"
                self._defects.add("left_out", picture.id, reason)
                rest = {name: rows for name, rows in picture.write.features.items() if name != feature}
                picture.write = replace(picture.write, features=rest)
