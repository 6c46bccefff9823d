"""Fits the constants by which a result is judged, and says how they do on groups that they were not fitted on. With
``--write`` it writes them to ``graph/judging/calibration.json``: to be done when an extractor or the evidence changes.

Fitted on one half of the photographs at hand and on families of made-up pictures of its own; `benchmarks.judgement`
tests on the others. Pairs are: edits of a photograph and that photograph; photographs and what a search takes for like
them; shots of one scene; made-up pictures of a family; made-up focus series and shots from a step aside.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks.hard_pictures import KINDS, hard_pictures
from benchmarks.judgement_model import fitted, report
from benchmarks.judgement_pairs import Known, Told, hash_surprise, is_right, known, ways
from benchmarks.more_edits import MORE_EDITS
from benchmarks.photo_groups import Photograph, half, photographs
from benchmarks.photo_sets import upright
from graph.jobs.evaluating.edits import EDITS, Copy, Edit, pasted_into
from graph.judging.probability import CALIBRATION

FAMILIES = range(101, 117)  # of made-up pictures; others are tested
OF_FAMILY, EDITED_OF_FAMILY = 5, 2  # pictures
EDITED = 130  # photographs
PASTED = 6  # scenes
SENT = 0.5  # of the queries; the others are stored, and there is no more of them than their thumbnail
SHOTS = 90  # of made-up series
IN_LAYERS = 0.5  # of the shots from a step aside: things that stand before others, not a slope
WITH_LAYOUT = ("text_page", "form", "line_drawing", "screenshot", "template")
EDITS_OF_HARD = (
    "jpeg 15", "gray", "mirror", "crop 50 %", "crop 80 %", "rotate 90", "thumbnail 200 px", "overlay text", "border",
)  # fmt: skip
NEAREST = 3  # by hash and by keypoints, taken for like a photograph
LONG_SIDE = 1600  # pixels
# Of pairs: a false "one photograph" costs more than a missed one.
FOCUS_WEIGHT, NEXT_SHOT_WEIGHT, OTHER_WEIGHT, SCENE_WEIGHT, HARD_WEIGHT = 2.5, 3.5, 2.0, 10.0, 10.0


@cache
def for_fitting() -> list[Photograph]:
    return [one for one in photographs() if half(one.group) == "fit"]


@cache
def stored(number: int) -> Known:
    return known(for_fitting()[number].path.read_bytes(), as_query=False)


@cache
def collection() -> NDArray[np.uint8]:
    return np.stack([stored(number).hashes[0] for number in range(len(for_fitting()))])


def told_of_edits(number: int) -> list[Told]:
    """A photograph against all its edits."""
    photograph = for_fitting()[number]
    picture = upright(photograph.path)
    edits = {**EDITS, **MORE_EDITS, "pasted": pasted_into(_scenes())}
    return [
        told
        for name, edit in edits.items()
        for told in _told_of_copy(edit, name, picture, stored(number), photograph.group, collection())
    ]


@cache
def _scenes() -> list[Image.Image]:
    dice = random.Random(7)
    return [upright(one.path) for one in dice.sample(for_fitting(), PASTED)]


def _told_of_copy(
    edit: Edit, name: str, picture: Image.Image, original: Known, group: str, sample: NDArray[np.uint8]
) -> Iterator[Told]:
    copy: Copy = edit(picture, random.Random(f"{group} {name}"))
    query = known(copy.encoded(), as_query=random.Random(f"side {group} {name}").random() < SENT)
    for way in ways(query, original, {"surprise": hash_surprise(query, original, sample)}):
        right = is_right(way.homography, copy.homography, picture.size)
        yield Told(way.evidence, right, name, group, weight=1.0 if right else OTHER_WEIGHT)


def told_of_likes(number: int) -> list[Told]:
    """A photograph against those that are near to it by hash or keypoints, and against its group."""
    own = for_fitting()[number]
    query = known(own.path.read_bytes(), as_query=True)
    away = np.bitwise_count(query.hashes[:2].view(np.uint64)[:, None] ^ collection().view(np.uint64)[None])
    near = np.argsort(away.sum(axis=-1).min(axis=0))[: NEAREST + 1].tolist()
    same_group = [other for other, one in enumerate(for_fitting()) if one.group == own.group]
    by_chance = random.Random(number).sample(range(len(for_fitting())), NEAREST)
    found = []
    for other in dict.fromkeys([*near, *same_group[:20], *by_chance, *_same_kind(number)]):
        like = for_fitting()[other]
        if other == number or own.kind in ("edits", "modes", "orientation") or like.path.name == own.path.name:
            continue
        kind = "scene" if like.group == own.group else "other"
        for way in ways(query, stored(other), {"surprise": hash_surprise(query, stored(other), collection())}):
            weight = SCENE_WEIGHT if kind == "scene" else OTHER_WEIGHT
            found.append(Told(way.evidence, False, kind, own.group, kind == "scene", weight))
    return found


def _same_kind(number: int) -> list[int]:
    """Others of the same product or folder: what is alike without being one picture."""
    own = for_fitting()[number]
    same = [other for other, one in enumerate(for_fitting()) if one.kind == own.kind]
    return random.Random(f"kind {number}").sample(same, min(len(same), 8))


def told_of_focus(number: int) -> list[Told]:
    """Two shots of a made-up focus series: the one sharp in front, the other behind."""
    photograph = for_fitting()[number]
    picture = upright(photograph.path)
    picture.thumbnail((LONG_SIDE, LONG_SIDE))
    shots = [_focused(picture, random.Random(f"focus {number}"), behind=behind) for behind in (False, True)]
    query, other = known(shots[0], as_query=True), known(shots[1], as_query=False)
    return [
        Told(way.evidence, False, "focus series", photograph.group, True, FOCUS_WEIGHT)
        for way in ways(query, other, {"surprise": hash_surprise(query, other, collection())})
    ]


def _focused(picture: Image.Image, dice: random.Random, *, behind: bool) -> bytes:
    pixels = np.asarray(picture, np.float32)
    height, width = pixels.shape[:2]
    angle, depth = dice.uniform(0, 2 * np.pi), dice.uniform(2, 6)
    down, across = np.mgrid[0:height, 0:width] / max(width, height)
    distance = np.cos(angle) * across + np.sin(angle) * down
    share = np.clip((distance - distance.mean()) * depth + 0.5, 0, 1)[..., None]
    blurred = np.asarray(
        picture.filter(ImageFilter.GaussianBlur(dice.uniform(1.2, 5) * max(width, height) / 1024)), np.float32
    )
    mixed = pixels * share + blurred * (1 - share) if behind else pixels * (1 - share) + blurred * share
    noise = np.random.default_rng(dice.getrandbits(32)).normal(0, dice.uniform(1, 4), pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(mixed + noise + behind, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def told_of_next_shot(number: int) -> list[Told]:
    """Two shots from the hand, a step apart: what is near moves more than what is far."""
    photograph = for_fitting()[number]
    picture = upright(photograph.path)
    picture.thumbnail((LONG_SIDE, LONG_SIDE))
    dice = random.Random(f"next shot {number}")
    query, other = known(_shot(np.asarray(picture), dice), as_query=True), known(_moved(picture, dice), as_query=False)
    return [
        Told(way.evidence, False, "next shot", photograph.group, True, NEXT_SHOT_WEIGHT)
        for way in ways(query, other, {"surprise": hash_surprise(query, other, collection())})
    ]


def _moved(picture: Image.Image, dice: random.Random) -> bytes:
    """Seen from a step aside: turned and shifted a little as a whole, and each place by how near it is."""
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    long_side = max(width, height)
    noise = np.random.default_rng(dice.getrandbits(32)).normal(0, 1, (dice.randint(3, 7), dice.randint(3, 7)))
    depth = cv2.resize(noise.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    if dice.random() < IN_LAYERS:
        depth = np.round(depth)
    parallax = depth / max(float(np.abs(depth).max()), 1.0) * long_side * 10 ** dice.uniform(-3.3, -1.8)
    turned = cv2.getRotationMatrix2D((width / 2, height / 2), dice.gauss(0, 1.5), 1 + dice.gauss(0, 0.01))
    turned[:, 2] += [dice.gauss(0, 0.015) * width, dice.gauss(0, 0.015) * height]
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    heading = dice.uniform(0, 2 * np.pi)
    x = turned[0, 0] * across + turned[0, 1] * down + turned[0, 2] + parallax * np.cos(heading)
    y = turned[1, 0] * across + turned[1, 1] * down + turned[1, 2] + parallax * np.sin(heading)
    seen = cv2.remap(
        pixels, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return _shot(seen, dice)


def _shot(pixels: NDArray[np.uint8] | cv2.typing.MatLike, dice: random.Random) -> bytes:
    """With an exposure and noise of its own."""
    noise = np.random.default_rng(dice.getrandbits(32)).normal(0, dice.uniform(0.5, 4), pixels.shape)
    exposed = 255 * (pixels / 255) ** dice.uniform(0.9, 1.1) * dice.uniform(0.92, 1.08) + noise
    buffer = io.BytesIO()
    Image.fromarray(np.clip(exposed, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def told_of_hard(kind: str, family: int) -> list[Told]:
    """Made-up pictures of one family against each other, and against edits of themselves."""
    files = hard_pictures(kind, OF_FAMILY, family)
    all_stored = [known(data, as_query=False) for data in files]
    queries = [known(data, as_query=number % 2 == 0) for number, data in enumerate(files)]
    own = np.stack([one.hashes[0] for one in all_stored])
    common = np.concatenate([collection(), np.repeat(own, max(1, len(collection()) // (10 * len(own))), axis=0)])
    group = f"{kind} {family}"
    found = []
    pairs = list(itertools.permutations(range(len(files)), 2))
    for sample in (collection(), common):  # where the kind is rare, and where it is a tenth of the collection
        for one, other in random.Random(group).sample(pairs, 8):
            surprising = {"surprise": hash_surprise(queries[one], all_stored[other], sample)}
            for way in ways(queries[one], all_stored[other], surprising):
                found.append(Told(way.evidence, kind == "template", kind, group, weight=HARD_WEIGHT))
    for number in range(EDITED_OF_FAMILY if kind in WITH_LAYOUT else 0):
        picture = Image.open(io.BytesIO(files[number])).convert("RGB")
        for name in EDITS_OF_HARD:
            found += _told_of_copy(EDITS[name], name, picture, all_stored[number], group, common)
    return found


def all_told() -> list[Told]:
    photos = range(len(for_fitting()))
    with ProcessPoolExecutor(2) as processes:
        made = itertools.chain(
            processes.map(told_of_likes, photos, chunksize=8),
            processes.map(told_of_edits, random.Random(1).sample(photos, min(EDITED, len(photos))), chunksize=2),
            processes.map(told_of_focus, random.Random(2).sample(photos, min(SHOTS, len(photos))), chunksize=2),
            processes.map(told_of_next_shot, random.Random(3).sample(photos, min(SHOTS, len(photos))), chunksize=2),
            *(processes.map(partial(told_of_hard, kind), FAMILIES) for kind in KINDS),
        )
        return list(itertools.chain.from_iterable(made))


def main() -> None:
    rows = all_told()
    said = report(rows)
    strong = fitted([row.evidence for row in rows], [row.is_one_photograph for row in rows], _weights(rows))
    apart = [row for row in rows if not row.is_one_photograph]
    scene = fitted([row.evidence for row in apart], [row.is_one_scene for row in apart], _weights(apart), scene=True)
    made: Mapping[str, object] = {
        "from": "python -m benchmarks.judgement_fit --write",
        "pairs": {"one photograph": sum(row.is_one_photograph for row in rows), "others": len(apart)},
        "strong": strong,
        "scene": scene,
    }
    if "--write" in sys.argv:
        CALIBRATION.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print("\n".join(said))


def _weights(rows: Sequence[Told]) -> NDArray[np.float64]:
    return np.array([row.weight for row in rows])


if __name__ == "__main__":
    main()
