"""What a filter costs a search: ``phash`` alone over HTTP, made-up pictures put straight into the shard.

Searches by a stored picture, which decode nothing, so that what a filter adds shows most. All kinds take turns. A mask
is made once and kept until the next write: "again" is a search with a filter that was asked before, "new" one right
after a write, for which its mask is made. Beside it what the columns of the pictures take, and the first filter after
opening.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks import service
from benchmarks.report import Report, median
from deployments.extractors.registry import create_extractor
from storage.columns.live import LiveColumns
from storage.filters.text_form import parse_filter
from storage.kv.store import LmdbStore
from storage.shard.data_folder import ensure_manifest, shard_directory
from storage.shard.open_shard import STORE_FOLDER
from storage.shard.plan import ShardPlan, ShardSettings
from storage.shard.shard import Shard
from storage.tables.schema import TABLES
from storage.types.features import FeatureRows, FeatureSpec
from storage.types.mutations import PutImage
from storage.types.pictures import Exif, ImageRecord, SourceFile

BATCH = 2000
CAMERAS = ("Canon EOS 5D Mark IV", "NIKON Z 6", "Apple iPhone 13", None)
FILTERS: Mapping[str, str | None] = {
    "no filter": None,
    "no filter, again": None,
    "path ~, keeps 1 %": 'path ~ "trip 17/"',
    "path ~, keeps half": 'path ~ "/odd/"',
    "path ~ of file names, keeps 1 %": "path ~ img_00001",
    "folder =, keeps 1 %": 'folder = "Trip 17"',
    "width >=, keeps half": "width >= 1500",
    "four comparisons, keep an eighth": 'path ~ "/odd/" and width >= 1500 and not camera ~ canon and taken_at < 2022',
}


def main() -> None:
    options = arguments()
    report = Report("filters", f"filters of a phash search over HTTP, {options.pictures:,} pictures in one shard")
    report.line(f"searches   {options.searches} of each kind, in turns; one client; medians")
    with tempfile.TemporaryDirectory(prefix="lookalike-benchmark-") as folder:
        data = Path(folder) / "data"
        fill(data, options.pictures)
        columns(report, data, options.pictures)
        with service.lookalike_service(data, {"phash": {}}) as ours, calling(ours.base_url) as (search, write):
            first_ms = milliseconds(lambda: search('path ~ "nowhere"'))
            report.line()
            report.line(f"the first filter after opening, which builds the columns: {first_ms:.0f} ms")
            again, new = measured(search, write, options.searches)
    report_times(report, again, new)
    report.write()


def measured(
    search: Callable[[str | None], dict[str, Any]], write: Callable[[], None], count: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds by kind, with filters that were asked before and right after a write. Checks that they find
    something.
    """
    again: dict[str, list[float]] = {title: [] for title in FILTERS}
    new: dict[str, list[float]] = {title: [] for title in FILTERS}
    for text in FILTERS.values():
        if len(search(text)["results"]) != 20:
            raise SystemExit(f"{text!r} does not find 20 pictures")
    for _ in range(count):
        for title, text in FILTERS.items():
            write()
            for times in (new, again):
                times[title].append(milliseconds(lambda text=text: search(text)))  # type: ignore[misc]  # its own each turn
    return again, new


def report_times(report: Report, again: Mapping[str, list[float]], new: Mapping[str, list[float]]) -> None:
    rows: list[Sequence[object]] = []
    for title in FILTERS:
        row: list[object] = [title]
        for times in (again, new):
            row += [median(times[title]), median(times[title]) / median(times["no filter"])]
        rows.append(row)
    report.table(("filter", "again ms", "times", "new ms", "times"), rows)


def columns(report: Report, data: Path, pictures: int) -> None:
    """In this process, without the service."""
    store = LmdbStore(shard_directory(data, 0) / STORE_FOLDER, TABLES)
    live = LiveColumns(store)
    built_ms = milliseconds(lambda: live.masks([parse_filter("width > 0")], None))
    rows: list[Sequence[object]] = [("columns built from the store", f"{built_ms:.0f} ms"),
                                    ("bytes a picture", f"{live.memory_bytes / pictures:.0f}")]  # fmt: skip
    for title, text in FILTERS.items():
        if text is not None:
            variants = [parse_filter(f"({text}) and not width = {number}") for number in range(100_000, 100_020)]
            times = [milliseconds(lambda one=one: live.masks([one], None)) for one in variants]  # type: ignore[misc]  # its own each turn
            rows.append((f"mask: {title}", f"{median(times):.1f} ms"))
    report.table(("in the shard", ""), rows)
    store.close()


@contextmanager
def calling(base_url: str) -> Iterator[tuple[Callable[[str | None], dict[str, Any]], Callable[[], None]]]:
    """A search by a filter, and a write of one small picture."""
    small = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(small, "PNG")
    with httpx.Client(base_url=base_url, timeout=60) as client:

        def search(text: str | None) -> dict[str, Any]:
            body = {"id": "0000000", "features": ["phash"], **({} if text is None else {"filter": text})}
            answer = client.post("/v1/search", json=body)
            if answer.status_code != 200:
                raise SystemExit(f"{text!r}: {answer.text}")
            found: dict[str, Any] = answer.json()
            return found

        def write() -> None:
            client.put(
                "/v1/images/written", files={"image": ("written.png", small.getvalue(), "image/png")}
            ).raise_for_status()

        yield search, write


def fill(data: Path, count: int) -> None:
    spec = create_extractor("phash", {}).spec
    ensure_manifest(data, 1, [spec])
    shard = Shard.open(ShardPlan(str(shard_directory(data, 0)), 0, 1, ShardSettings((spec,))))
    codes = np.random.default_rng(1).integers(0, 256, (count, spec.dim // 8), np.uint8)
    for start in range(0, count, BATCH):
        shard.apply([put(number, codes[number], spec) for number in range(start, min(start + BATCH, count))])
    shard.close()


def put(number: int, code: np.ndarray[Any, np.dtype[np.uint8]], spec: FeatureSpec) -> PutImage:
    """One in a hundred lies in each of the trips, one in two below /odd/."""
    side, trip = "odd" if number % 2 else "even", number // 2 % 100
    path = f"/srv/photos/{side}/{2015 + number % 10}/Trip {trip}/IMG_{number:07}.jpeg"
    taken = f"{2018 + number // 4 % 8}-0{1 + number % 9}-11T10:00:00"
    record = ImageRecord(
        f"{number:07}", 1000 + number // 8 % 1000, 1000, f"{number:064x}", "jpeg", 10**6 + number, 1.7e9 + number,
        {"phash": "ok"}, {"title": f"picture {number}"}, SourceFile(path, 10**6, 1), {},
        Exif(taken, CAMERAS[number % 4], 1, (48.0, 11.0)),
    )  # fmt: skip
    rows = np.ascontiguousarray(code[None])
    return PutImage(f"put {number}", record, {spec.name: FeatureRows(rows, rows)}, b"")


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=200, help="of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
