"""All photographs at hand, each with its group: every file that shows the same photograph, scene or thing in another
shot, format, turn or edit. A photograph is a stranger to a collection that its whole group is left out of.

Groups are folders where a folder is one scene, and `SAME_SCENE` names the others, found by hashes and keypoints and
checked by eye. Every photograph that is in neither is a group of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmarks.photo_sets import BESIDE, package_file

SAME_SCENE = Path(__file__).with_name("same_scene.txt")
SCENES = BESIDE.parent / "scenes"
SKIMAGE = (
    "astronaut", "brick", "camera", "cell", "chelsea", "clock_motion", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "ihc", "microaneurysms", "moon", "motorcycle_left", "motorcycle_right", "page", "retina",
    "rocket", "text",
)  # fmt: skip
SKLEARN = ("china", "flower")
SINGLE = ("pixabay", "large", "clothing", "grocery")  # folders of photographs that are mostly of different things
WHOLE = {"edits": "bridge", "modes": "bridge", "orientation": "landscape"}  # folders of one photograph: their group
SUFFIXES = {".jpg", ".png", ".webp"}

Half = Literal["fit", "test"]


@dataclass(frozen=True, slots=True)
class Photograph:
    """kind: the folder, and in grocery the kind of thing, too: ``grocery/Kiwi``."""

    path: Path
    group: str
    kind: str


def photographs() -> list[Photograph]:
    """In the same order everywhere; without the pictures in ``../shared`` those of scikit-image and scikit-learn."""
    found = [_from_package("skimage", f"data/{name}.*") for name in SKIMAGE]
    found += [_from_package("sklearn", f"datasets/images/{name}.jpg") for name in SKLEARN]
    for folder in SINGLE:
        for path in _pictures_below(BESIDE / folder):
            kind = folder if path.parent.name == folder else f"{folder}/{path.parent.name}"
            name = path.relative_to(BESIDE).as_posix()
            found.append(Photograph(path, _same_scene().get(name, name), kind))
    for folder, group in WHOLE.items():
        found += [Photograph(path, group, folder) for path in _pictures_below(BESIDE / folder)]
    for kind, scenes in (("geometry", BESIDE / "geometry"), ("scenes", SCENES)):
        found += [Photograph(path, f"{kind}/{path.parent.name}", kind) for path in _pictures_below(scenes)]
    return [photograph for photograph in found if photograph is not None]


def half(group: str) -> Half:
    """Which half of the groups it is in: half of them are for fitting, the others for testing alone."""
    return "fit" if hashlib.sha256(group.encode()).digest()[0] % 2 == 0 else "test"


def judged_pairs() -> list[tuple[Path, Path]]:
    """Pairs of different shots whose view changed little; empty without the pictures in ``../shared``."""
    lines = Path(__file__).with_name("judged_pairs.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#")]
    found = [(BESIDE.parent / one, BESIDE.parent / other) for one, other in pairs]
    return [pair for pair in found if all(path.exists() for path in pair)]


def _from_package(package: str, pattern: str) -> Photograph | None:
    path = package_file(package, pattern)
    if path is None:
        return None
    name = f"{package}/{path.stem}"
    return Photograph(path, _same_scene().get(name, name), package)


def _pictures_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)


@cache
def _same_scene() -> dict[str, str]:
    """From the name of a photograph to that of its group, its first photograph."""
    lines = SAME_SCENE.read_text(encoding="utf-8").splitlines()
    groups = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: group[0] for group in groups for name in group}
