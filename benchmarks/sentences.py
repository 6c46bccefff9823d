"""Whether the service says that a sentence fits nothing: ``python -m benchmarks.sentences``.

Small CLIP models, each trained on its own pictures of coloured shapes, are asked over HTTP for every kind of them, of
which a third is not in the collection, and for what none of them was ever shown; then again among photographs.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from PIL import Image

from benchmarks import service
from benchmarks.photo_groups import photographs
from benchmarks.report import Report
from lookalike_client import Client
from tests.unit.deployments.models.shapes_clip import COLORS, SHAPES, shape_picture, train_shapes_clip

SEEDS = range(4, 8)  # of models; by others the rule was chosen
KINDS = [(color, shape) for color in COLORS for shape in SHAPES]
LEFT_OUT = 5
EACH = (3, 12)  # pictures of a kind
PHOTOGRAPHS = 120
NEVER_SHOWN = (
    "a dog", "a yellow star", "a bicycle", "a white cat", "a photo of a river", "a large bird", "a black car",
    "two people", "a house in the snow", "a small bird on a bridge",
)  # fmt: skip
Row = tuple[int, str, int, float, float, float]


def main() -> None:
    report = Report("sentences", "whether a sentence is said to fit nothing, by small models of coloured shapes")
    rows = [row for seed in SEEDS for row in _asked(seed)]
    heads = ("model", "collection", "pictures", "there: answered", "left out: none", "never shown: none")
    report.table(heads, rows)
    for place, head in enumerate(heads[3:], start=3):
        report.line(f"{head}, on average: {mean(float(row[place]) for row in rows):.3f}")
    report.write()


def _asked(seed: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="lookalike-benchmark-") as folder:
        model, data = train_shapes_clip(Path(folder) / "model", seed), Path(folder) / "data"
        dice = random.Random(seed)
        left_out = dice.sample(KINDS, LEFT_OUT)
        with (
            service.lookalike_service(data, {"image_text": {"model": str(model)}}) as running,
            Client(running.base_url, timeout_s=120) as client,
        ):
            stored = 0
            for collection, paths in (
                ("few of each", _shapes(Path(folder) / "few", left_out, 0, EACH[0])),
                ("more", _shapes(Path(folder) / "more", left_out, EACH[0], EACH[1])),
                ("among photographs", [one.path for one in photographs()[:: len(photographs()) // PHOTOGRAPHS]]),
            ):
                for path in paths:
                    client.add(path, id=f"{collection}/{stored}")
                    stored += 1
                yield (seed, collection, stored, *_shares(client, left_out))


def _shapes(folder: Path, left_out: Sequence[tuple[str, str]], first: int, end: int) -> list[Path]:
    folder.mkdir()
    made = []
    for color, shape in KINDS:
        for number in range(first, end) if (color, shape) not in left_out else ():
            made.append(folder / f"{color} {shape} {number}.png")
            Image.fromarray(shape_picture(color, shape, number)).save(made[-1])
    return made


def _shares(client: Client, left_out: Sequence[tuple[str, str]]) -> tuple[float, float, float]:
    def share(sentences: Sequence[str], verdict: str) -> float:
        return round(mean(client.search(text=one, relevance="likely").verdict == verdict for one in sentences), 3)

    there = [f"a {color} {shape}" for color, shape in KINDS if (color, shape) not in left_out]
    return (
        share(there, "similar"),
        share([f"a {color} {shape}" for color, shape in left_out], "none"),
        share(NEVER_SHOWN, "none"),
    )


if __name__ == "__main__":
    main()
