"""Every operation once, and a shard that answers them all, in this order."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import storage.operations
from lookalike_client.job_answers import Thresholds
from storage.duplicates.links import Link, Verdict
from storage.duplicates.messages import NearQuery, NearQuestions
from storage.operations.decisions import Decisions, PutDecision, TakeBackDecision
from storage.operations.draws import Draw
from storage.operations.duplicates import ForgetExpired, Near, Walk
from storage.operations.features import Features, RowsOfEach, SampleRows, WhiteningOf, WholePictures
from storage.operations.indexes import SaveIndexes, Train, TrainWhatIsDue, Whiten
from storage.operations.jobs import AddJobFailures, FailuresOfJob, FindJob, Jobs, PutJob
from storage.operations.links import AddLinks, Linked, LinkedById, NotLinked, NotSearched, PutVerdicts
from storage.operations.models import AdoptModel, BeginModel, CountLeftBehind, DropReplaced, SwitchModel
from storage.operations.pending import CountPending, PendingPictures, PendingWithoutFile
from storage.operations.pictures import (
    IdsOfBytes,
    IdsOfFileName,
    ListedPage,
    Original,
    Page,
    Records,
    Thumbnail,
    Thumbnails,
)
from storage.operations.reports import Backup, SearchAddress, Stats, Verify
from storage.operations.roots import ForgetRoot, NoteScans, Roots, WatchRoot
from storage.operations.sources import (
    CountBelow,
    FilesAt,
    FilesBelow,
    FilesOfContents,
    HeldSizes,
    IdHolders,
    LiftRemovals,
    MoveRemovals,
)
from storage.operations.thresholds import FindThresholds, PutThresholds
from storage.shard.operation import Operation
from storage.shard.shard import Shard
from storage.types.decisions import Decision
from storage.types.filters import Comparison
from storage.types.jobs import JobFailure, JobRecord
from storage.types.library import KnownFile, Root
from storage.types.listings import Sort, SortKey
from storage.upkeep.factory import IndexConfig
from tests.unit.storage.models import ONE, THREE, TWO, fill_seen, put_seen
from tests.unit.storage.samples import COLOR, SPECS, applied, open_shard, picture_rows
from tests.unit.storage.scenes import LOCAL, put_scene, scene

OTHER = replace(ONE, name="other")
WAITING = {"color": COLOR.fingerprint, "global": "net-3"}
NEAR = NearQuery("x", (0, 0, "x"), np.asarray(picture_rows("a")["phash"].rows, np.uint8), 5, 5)
KNOWN = KnownFile("a", "/photos/a", 10, 20, "0" * 64, "removed", True)
JOB = JobRecord("job", "index", "running", 1.0, 2.0, {"paths": ["/photos"]})

EXAMPLES: dict[type[Operation[Any]], Any] = {
    type(example): example
    for example in (
        Near(NearQuestions("phash", 1, 64, (NEAR,))),
        Walk("phash", 2, -1, 9),
        ForgetExpired(),
        Decisions(),
        PutDecision(Decision("d", "a", "b", "keep", None, 1.0, "0", "1")),
        TakeBackDecision("d"),
        NotLinked("phash", 2, -1, 9),
        NotSearched(-1, 9),
        AddLinks((("a", 1, (Link("b", 7), Link("c", None, True))),)),
        PutVerdicts({"a": {"b": Verdict("mark", "other", "same", 0.9)}}),
        Linked(-1, 9),
        LinkedById(("a", "nobody")),
        WholePictures(("a", "nobody"), ("phash",)),
        Features("a", ("phash", "global")),
        RowsOfEach(("a", "nobody"), ("color",)),
        SampleRows("global", "net-2", 2, seed=3),
        WhiteningOf("global", "net-2"),
        TrainWhatIsDue(),
        Train("local"),
        Whiten("global", "net-2", None),
        SaveIndexes(1),
        PutJob(JOB),
        AddJobFailures("job", (JobFailure("/photos/a", "unreadable_image", "empty"),)),
        Jobs(),
        FindJob("job"),
        FailuresOfJob("job", 0, 9),
        AdoptModel(OTHER, {"model": "hub/net"}),
        CountLeftBehind("global", "net-3", 1e12),
        SwitchModel("global", "net-3"),
        DropReplaced("global"),
        BeginModel(replace(THREE, fingerprint="net-4"), {"model": "hub/net"}),
        PendingPictures(WAITING, 0, 9),
        CountPending(WAITING),
        PendingWithoutFile(WAITING, 9),
        Records(("a", "nobody")),
        Page(None, 9),
        ListedPage(Comparison("width", ">=", (1,)), Sort("width", descending=True), SortKey(640.0, "a"), 9),
        IdsOfBytes(10, KNOWN.sha256),
        Draw(3, 2),
        IdsOfFileName("a.jpg"),
        Thumbnail("a"),
        Thumbnails(("a", "b", "nowhere")),
        Original("a"),
        FilesBelow("/photos", b"", 9),
        FilesAt(("/photos/a", "/photos/nothing")),
        CountBelow("/photos"),
        HeldSizes((10, 11)),
        FilesOfContents(((10, KNOWN.sha256),)),
        IdHolders(("a", "nobody")),
        MoveRemovals((KNOWN,)),
        LiftRemovals((KNOWN,)),
        Roots(),
        NoteScans((Root("/photos", last_scan_at=1.0),)),
        WatchRoot("/photos", True),
        ForgetRoot("/photos"),
        FindThresholds(),
        PutThresholds(Thresholds(0.9, 0.001, 0.95, 3000, 0, "eval-1")),
        SearchAddress(),
        Stats(),
        Verify(),
        Backup("a folder that does not exist yet"),
    )
}


def all_operations() -> Iterator[type[Operation[Any]]]:
    """Whatever `storage.operations` defines."""
    for module in pkgutil.iter_modules(storage.operations.__path__, "storage.operations."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, Operation) and one.__module__ == module.name:
                yield one


def full_shard(directory: Path) -> Shard:
    """With work for every example: a model in use, one that follows and one that was replaced, a feature whose model is
    not known yet, keypoints that ask to be trained, nothing saved.
    """
    configs = {"local": IndexConfig(train_after_rows=10)}
    shard = open_shard(directory, (*SPECS, LOCAL), late=["global", "other"], index_configs=configs)
    shard.ask(AdoptModel(ONE, {}))
    shard.ask(BeginModel(TWO, {}))
    applied(shard, [put_seen("a", ONE), put_seen("b", ONE), put_scene("s", scene(1, count=40))])
    applied(shard, [fill_seen("a", TWO), fill_seen("b", TWO)])
    shard.ask(SwitchModel("global", "net-2"))
    shard.ask(BeginModel(THREE, {}))
    return shard
