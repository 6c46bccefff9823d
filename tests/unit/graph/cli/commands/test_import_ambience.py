from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.suites.client_suite import JOB, Service
from tests.unit.graph.cli.commands.test_index import job_service
from tests.unit.graph.cli.conftest import Run

REPORT: dict[str, Any] = {
    "dry_run": False,
    "tables": [
        {
            "path": "/srv/phash_web/phashes.lmdb",
            "feature": "phash",
            "entries": 30,
            "imported": 20,
            "unchanged": 8,
            "left_out": 2,
            "reason": "",
        },
        {
            "path": "/srv/global/features.lmdb",
            "feature": "global",
            "entries": 30,
            "imported": 0,
            "unchanged": 0,
            "left_out": 30,
            "reason": "left out: another model",
        },
    ],
    "keypoints": [
        {"path": "/srv/local", "keypoints": 9, "descriptors": 8, "images": 2, "whole": 1, "reason": "not imported"}
    ],
    "photos": {"folder": "/photos", "attached": 3, "there": 1, "missing": 26},
    "defects": [{"code": "wrong_length", "count": 2, "examples": ["phashes.lmdb: 7: 3 bytes instead of 72"]}],
}
DONE = JOB | {"kind": "import", "state": "succeeded", "done": 30, "total": 30, "report": REPORT}
DONE |= {"added": 20, "replaced": 0, "unchanged": 8, "skipped": 0, "failed": 2}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def submitted(service: Service) -> dict[str, Any]:
    return dict(json.loads(service.requests[0].content))


def test_folders_are_imported_and_the_report_is_shown(run: Run, tmp_path: Path) -> None:
    service = job_service(DONE | {"state": "running"}, DONE)
    result = run(service, "import-ambience", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert submitted(service) == {"kind": "import", "paths": [str(tmp_path)], "dry_run": False}
    assert result.stdout.splitlines() == [
        "imported 20 new, 0 added to, 8 unchanged; 2 things do not fit",
        "feature\tentries\timported\tunchanged\tleft out\ttable",
        "phash\t30\t20\t8\t2\t/srv/phash_web/phashes.lmdb",
        "global\t30\t0\t0\t30\t/srv/global/features.lmdb",
        "/srv/global/features.lmdb: left out: another model",
        "/srv/local: 9 keypoints and 8 descriptors of 2 pictures, 1 of them whole: not imported",
        "photos in /photos: 3 attached, 1 there already, 26 missing",
        "does not fit\tnumber\tfor example",
        "wrong_length\t2\tphashes.lmdb: 7: 3 bytes instead of 72",
        "all of it: lookalike jobs job-1",
    ]


def test_every_option_is_sent(run: Run, tmp_path: Path) -> None:
    service = job_service(DONE)
    (tmp_path / "points.csv").touch()
    options = ["--photos", str(tmp_path), "--dry-run", "--feature", f"{tmp_path}=global"]
    run(service, "import-ambience", str(tmp_path), *options, "--keypoint-ranges", str(tmp_path / "points.csv"))
    assert submitted(service) == {
        "kind": "import",
        "paths": [str(tmp_path)],
        "photos": str(tmp_path),
        "dry_run": True,
        "keypoint_ranges": str(tmp_path / "points.csv"),
        "features": {str(tmp_path): "global"},
    }
    service = job_service(DONE)
    run(service, "import-ambience", str(tmp_path), "--keypoint-ranges", "postgresql://db/ambience")
    assert submitted(service)["keypoint_ranges"] == "postgresql://db/ambience"


def test_a_dry_run_says_what_would_be(run: Run, tmp_path: Path) -> None:
    dry = DONE | {"report": {"dry_run": True}, "failed": 0, "skipped": 3}
    result = run(job_service(dry), "import-ambience", str(tmp_path), "--dry-run")
    assert result.stdout == (
        "would import 20 new, 0 added to, 8 unchanged, 3 skipped (nothing of them has a place here); "
        "0 things do not fit\n"
    )


def test_json_has_the_whole_job(run: Run, tmp_path: Path) -> None:
    result = run(job_service(DONE), "import-ambience", str(tmp_path), "--json")
    shown = json.loads(result.stdout)
    assert (shown["kind"], shown["report"]) == ("import", REPORT)


def test_detach_writes_the_id_and_leaves(run: Run, tmp_path: Path) -> None:
    service = job_service(DONE)
    assert run(service, "import-ambience", str(tmp_path), "--detach").stdout == "job-1\n"
    assert len(service.requests) == 1


def test_a_job_that_failed_is_a_failure(run: Run, tmp_path: Path) -> None:
    result = run(job_service(DONE | {"state": "failed", "message": "no data"}), "import-ambience", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.startswith("lookalike: job job-1 failed: no data; run the same command again")


@pytest.mark.parametrize(
    "arguments", [["/no/such/folder"], [".", "--photos", "/no/such"], [".", "--feature", "global"], []]
)
def test_what_is_not_there_is_wrong_usage(run: Run, arguments: list[str]) -> None:
    service = job_service(DONE)
    result = run(service, "import-ambience", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert not service.requests


def test_a_job_of_the_kind_is_shown_with_its_report(run: Run) -> None:
    lines = run(
        job_service(DONE | {"arguments": {"features": {"/srv": "global"}}}), "jobs", "job-1"
    ).stdout.splitlines()
    assert "images\t30/30" in lines
    assert "features\t/srv=global" in lines
    assert "phash\t30\t20\t8\t2\t/srv/phash_web/phashes.lmdb" in lines
    assert "where\tcode\treason" in lines
