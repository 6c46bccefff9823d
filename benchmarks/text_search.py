"""Searches by a sentence over HTTP, and where their time goes: the text model itself, the hop to its replica, the
shard, HTTP and merging. CLIP ViT-B/16 with random weights, which cost what trained ones cost.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks import service
from benchmarks.photo_sets import PhotoSet
from benchmarks.random_models import clip_base
from benchmarks.report import Report, median
from deployments.extractor import EmbedsText
from deployments.extractors.registry import create_extractor

SENTENCE = "a photo of a red bridge in the fog"


def main() -> None:
    options = arguments()
    report = Report("text_search", "A sentence over HTTP: CLIP ViT-B/16, random weights")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookalike-benchmark-")))
        folder = clip_base(scratch / "clip")
        shutil.copytree(PhotoSet("search", options.photos, 500, 107_000, seed=1).folder(), scratch / "photos")
        model_ms = alone(folder, options.searches)
        options_of = {"phash": {}, "image_text": {"model": str(folder)}}
        ours = stack.enter_context(service.lookalike_service(scratch / "data", options_of))
        index_s = service.index(ours, scratch / "photos")
        report.line(
            f"{options.photos} photos indexed in {index_s:.1f} s, {options.photos / index_s:.1f} a second in all"
        )
        by_text = searches(ours.base_url, {"text": SENTENCE, "features": ["image_text"]}, options.searches)
        by_id = searches(ours.base_url, {"id": first_id(ours.base_url), "features": ["image_text"]}, options.searches)
        report_parts(report, model_ms, by_text, by_id)
    report.write()


def report_parts(report: Report, model_ms: float, by_text: dict[str, float], by_id: dict[str, float]) -> None:
    """By id nothing is embedded, so the difference is the model and the hop to its replica."""
    rows = [
        ("p50 of a search by a sentence, as a client sees it", by_text["client_ms"]),
        ("  the text model by itself, in this process", model_ms),
        ("  hop to its replica, and the shard's search", by_text["feature_ms"] - model_ms),
        ("  router: request, merging, answer", by_text["took_ms"] - by_text["feature_ms"]),
        ("  HTTP: proxy, parsing, JSON", by_text["client_ms"] - by_text["took_ms"]),
        ("p50 of a search by a stored id, which embeds nothing", by_id["client_ms"]),
    ]
    report.table(("one client", "ms"), [(title, f"{ms:.1f}") for title, ms in rows])


def alone(folder: Path, count: int) -> float:
    """Median milliseconds of one sentence."""
    extractor = create_extractor("image_text", {"model": str(folder)})
    assert isinstance(extractor, EmbedsText)
    return median([milliseconds(lambda: extractor.embed_texts([SENTENCE])) for _ in range(count)])


def searches(base_url: str, body: dict[str, Any], count: int) -> dict[str, float]:
    """Medians: what the client waits, and what the answer says that it took, in all and for the feature."""
    found: dict[str, list[float]] = {"client_ms": [], "took_ms": [], "feature_ms": []}
    with httpx.Client(base_url=base_url, timeout=30) as client:
        for _ in range(count):
            started = time.perf_counter()
            answer = client.post("/v1/search", json=body)
            found["client_ms"].append((time.perf_counter() - started) * 1e3)
            said = answer.raise_for_status().json()
            found["took_ms"].append(said["took_ms"])
            found["feature_ms"].append(said["features"]["image_text"]["took_ms"])
    return {name: median(values) for name, values in found.items()}


def first_id(base_url: str) -> str:
    images: Sequence[dict[str, Any]] = httpx.get(f"{base_url}/v1/images", params={"limit": 1}).json()["images"]
    return str(images[0]["id"])


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200, help="photos that are searched")
    parser.add_argument("--searches", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
