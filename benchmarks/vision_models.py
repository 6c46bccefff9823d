"""ViT-B/16 as `global` runs it, beside plain torch: pictures a second, one picture alone, how near the vectors are.

Random weights cost what trained ones cost. The baseline is the model as anyone would call it first: float32, one
picture at a time, every core. Rounds alternate. On a GPU: bfloat16 in batches, and the share of the card's peak.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.photo_sets import PhotoSet
from benchmarks.random_models import VIT_B16_FLOPS, vit_base
from benchmarks.report import Report, median
from deployments.extractor import Extractor, Pixels
from deployments.extractors.registry import create_extractor

BATCH = 8
GPU_BATCH = 64
# Dense bfloat16 of the data sheets, in FLOP/s.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "A10": 125e12, "4090": 165e12}


def main() -> None:
    options = arguments()
    import torch
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    report = Report("vision_models", "ViT-B/16 at 224 px: Lookalike and plain torch")
    with tempfile.TemporaryDirectory(prefix="lookalike-benchmark-") as scratch:
        folder = vit_base(Path(scratch) / "vit")
        pictures = photographs(BATCH)
        plain = plain_torch(folder)
        candidates: dict[str, Extractor] = {}
        for precision in ("float", "auto"):
            started = time.perf_counter()
            candidates[precision] = create_extractor("global", {"model": str(folder), "precision": precision})
            loaded_s = time.perf_counter() - started
            report.line(f"{precision:10} {candidates[precision].spec.fingerprint}, loaded in {loaded_s:.1f} s")
        report_cpu(report, plain, candidates, pictures, options.rounds)
        if torch.cuda.is_available():
            report_gpu(report, folder, torch.cuda.get_device_name(0))
        else:
            report.line("no GPU here: bfloat16 was not measured")
    report.write()


def report_cpu(
    report: Report,
    plain: Callable[[Pixels], np.ndarray],
    candidates: dict[str, Extractor],
    pictures: Sequence[Pixels],
    rounds: int,
) -> None:
    rates: dict[str, list[float]] = {name: [] for name in ("torch", *candidates)}
    alone: dict[str, list[float]] = {name: [] for name in ("torch", *candidates)}
    for _ in range(rounds):
        rates["torch"].append(BATCH / seconds(lambda: [plain(picture) for picture in pictures]))
        alone["torch"].append(seconds(lambda: plain(pictures[0])))
        for name, extractor in candidates.items():
            rates[name].append(BATCH / seconds(lambda extractor=extractor: extractor.extract(pictures)))  # type: ignore[misc]
            alone[name].append(seconds(lambda extractor=extractor: extractor.extract(pictures[:1])))  # type: ignore[misc]
    wanted = np.stack([unit(plain(picture)) for picture in pictures])
    rows: list[Sequence[object]] = []
    for name in rates:
        ratios = [ours / base for ours, base in zip(rates[name], rates["torch"], strict=True)]
        cosine = 1.0 if name == "torch" else float((vectors(candidates[name], pictures) * wanted).sum(axis=1).min())
        title = (
            "plain torch float32, one at a time" if name == "torch" else f"global, precision {name}, batch of {BATCH}"
        )
        rows.append(
            (
                title,
                f"{median(rates[name]):.2f}",
                f"{median(ratios):.2f}",
                f"{1e3 * median(alone[name]):.0f}",
                f"{cosine:.5f}",
            )
        )
    report.table(("medians of rounds", "images/s", "times torch", "one alone ms", "least cosine"), rows)


def report_gpu(report: Report, folder: Path, card: str) -> None:
    pictures = photographs(GPU_BATCH) * 4
    extractor = create_extractor("global", {"model": str(folder), "device": "cuda", "batch_size": GPU_BATCH})
    extractor.extract(pictures)
    rate = len(pictures) / min(seconds(lambda: extractor.extract(pictures)) for _ in range(5))
    peak = next((flops for name, flops in PEAKS.items() if name in card), None)
    share = "" if peak is None else f", {100 * rate * VIT_B16_FLOPS / peak:.1f} % of the card's bfloat16 peak"
    report.line(f"{card}: {rate:.0f} images/s in bfloat16, batches of {GPU_BATCH}{share}")


def plain_torch(folder: Path) -> Callable[[Pixels], np.ndarray]:
    import torch
    from transformers import ViTModel

    cores = len(os.sched_getaffinity(0))
    model: Any = ViTModel.from_pretrained(folder, use_safetensors=True).eval()

    def run(picture: Pixels) -> np.ndarray:
        torch.set_num_threads(cores)  # ours, in this process, computes each picture on one
        given = (picture.astype(np.float32) / 255 - 0.5) / 0.5
        with torch.inference_mode():
            pooled: np.ndarray = model(torch.from_numpy(given.transpose(2, 0, 1)[None].copy())).pooler_output[0].numpy()
        return pooled

    return run


def photographs(count: int) -> list[Pixels]:
    files = PhotoSet("vision", count, 500, 100_000, seed=3).files()
    return [np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in files]


def vectors(extractor: Extractor, pictures: Sequence[Pixels]) -> np.ndarray:
    return np.concatenate([np.asarray(found.rows) for found in extractor.extract(pictures)])


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
