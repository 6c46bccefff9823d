"""What a judgement is fitted and tested with: collections of pictures and, for each question to them, what is right.

Each set is a folder: ``stored/``, ``queries/`` and ``questions.jsonl`` with a `Question` a line. Both halves (`half`)
share no group of photographs and no family of made-up pictures, so a judge is fitted on the questions and the stored
pictures of one half and tested on the other's; names of stored pictures begin with ``fit-`` or ``test-``.

There are fewer than 1,200 photographs. The 200 originals are whole, each of another group. The others among them are
made of photographs of the groups that are left, one of each group: cut into four pieces, large ones into nine, with
gaps between them. So a photograph is either an original or cut up, two pictures never overlap, and a piece counts as a
photograph of its own. Stored pictures have a long side of at most 1600 px, but for those of `duplicates`;
edits are made of the stored file.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.hard_layouts import landscape
from benchmarks.hard_pictures import EDITED, KINDS, hard_pictures, suffix
from benchmarks.more_edits import MORE_EDITS, edits_with, overlapping_crops
from benchmarks.photo_groups import WHOLE, Half, Photograph, half, judged_pairs, photographs
from benchmarks.photo_sets import upright
from benchmarks.right_relations import right_relations
from graph.jobs.evaluating.edits import EDITS, Copy, Edit, cropped

HALVES: tuple[Half, ...] = ("fit", "test")
FAMILIES: Mapping[Half, int] = {"fit": 1, "test": 2}  # seeds of made-up pictures
LONG_SIDE = 1600
OVERLAP = "overlap"
EDITABLE = (
    "skimage",
    "sklearn",
    "pixabay",
    "large",
    "clothing",
    "grocery",
)  # kinds of photographs
KINDS_OF_THINGS = ("grocery", "clothing", "pixabay", "scenes")
SMALLEST, LARGE = 340, 1000  # pixels of the short side: what is cut into four pieces, and into nine


@dataclass(frozen=True, slots=True)
class Question:
    """query: a file below the set's folder. what: the edit, or the kind. right: by the name of a stored picture, the
    relations that may be said of it; of every other stored picture no strong one and no ``scene`` is right. leave_out:
    stored pictures that the search must not see: the query itself, and for a stranger all of its group. group: of the
    photograph.
    """

    query: str
    half: Half
    what: str
    right: Mapping[str, list[str]] = field(default_factory=dict)
    leave_out: Sequence[str] = ()
    group: str = ""


def questions(folder: Path) -> list[Question]:
    """Of a set that was built."""
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [Question(**json.loads(line)) for line in lines]


def edits(folder: Path, originals: int = 200, others: int = 1000, edits_each: int | None = None, seed: int = 7) -> None:
    """Edited copies of each original. edits_each: how many edits, drawn so that all come equally often; all if None."""
    dice, stored = random.Random(seed), _fresh(folder)
    whole, cut = _whole_and_cut(originals, others, dice)
    pictures = {
        _save(picture, stored, number, photograph): photograph for number, (photograph, picture) in enumerate(whole)
    }
    for number, (photograph, picture) in enumerate(cut):
        _save(picture, stored, originals + number, photograph)
    available: dict[str, Edit | None] = {**EDITS, **MORE_EDITS, **edits_with(_company()), OVERLAP: None}
    asked, cycle = [], list(available)
    for number, (name, photograph) in enumerate(pictures.items()):
        each = len(cycle) if edits_each is None else edits_each
        chosen = [cycle[(number * each + turn) % len(cycle)] for turn in range(each)]
        part = f"{Path(name).stem}-part.jpg"
        for edit in chosen:
            of_this, own = random.Random(f"{seed} {name} {edit}"), half(photograph.group)
            maker, original = available[edit], upright(stored / name)
            if maker is None:  # the stored one of two crops, which is there for this question alone
                copy, original = overlapping_crops(original, of_this)
                original.save(stored / part, quality=92)
                answer, leave_out = part, [name]
            else:
                copy = maker(original, of_this)
                answer, leave_out = name, [part] if OVERLAP in chosen else []
            query = f"queries/{Path(name).stem}-{re.sub('[^a-z0-9]+', '-', edit)}{_suffix_of(copy)}"
            (folder / query).write_bytes(copy.encoded())
            right: list[str] = sorted(right_relations(edit, copy, original.size))
            asked.append(Question(query, own, edit, {answer: right}, leave_out))
    _write(folder, asked)


def _company() -> list[Image.Image]:
    """Pictures that are not stored, to stand beside an original in a collage: at least four."""
    apart = [next((each.path for each in photographs() if each.group == group), None) for group in WHOLE.values()]
    drawn = [landscape((1000, 750), random.Random(number)) for number in range(4)]
    return [piece for path in apart if path is not None for piece in _pieces(upright(path))] + drawn


def strangers(folder: Path, crops: int = 2000, seed: int = 8) -> None:
    """Every photograph, and crops of them, each asked for with its whole group left out: nothing strong is right."""
    dice, stored = random.Random(seed), _fresh(folder)
    names = {_save(upright(each.path), stored, number, each): each for number, each in enumerate(photographs())}
    groups: dict[str, list[str]] = {}
    for name, photograph in names.items():
        groups.setdefault(photograph.group, []).append(name)
    asked = [
        Question(f"stored/{name}", half(each.group), "whole", {}, groups[each.group]) for name, each in names.items()
    ]
    for number, name in enumerate(dice.choices(list(names), k=crops)):
        group, area = names[name].group, dice.uniform(0.1, 0.8)
        query = f"queries/{number:05}-{Path(name).stem}.jpg"
        (folder / query).write_bytes(cropped(area)(upright(stored / name), dice).jpeg())
        asked.append(Question(query, half(group), "crop", {}, groups[group]))
    _write(folder, asked)


def hard(folder: Path, count: int = 100) -> None:
    """Made-up pictures, each asked for with itself left out: nothing strong is right but of a poster's other copies."""
    stored, asked = _fresh(folder), []
    for part, seed in FAMILIES.items():
        for kind in KINDS:
            names = [f"{part}-{kind}-{number:03}{suffix(kind)}" for number in range(count)]
            for name, data in zip(names, hard_pictures(kind, count, seed), strict=True):
                (stored / name).write_bytes(data)
            for name in names:
                right = {other: ["edited"] for other in names if other != name} if kind == EDITED else {}
                asked.append(Question(f"stored/{name}", part, kind, right, [name]))
    _write(folder, asked)


def scenes(folder: Path) -> None:
    """Different shots of one scene: ``scene`` is right of the pairs whose view changed little (what: ``judged``), and
    ``scene`` or ``similar`` of all others of a group; nothing strong ever is.
    """
    _shots(folder, ("scenes", "geometry"))


def look_alikes(folder: Path) -> None:
    """Groceries and clothes: different things that look alike, and a few shots of one crate or shelf."""
    _shots(folder, ("grocery", "clothing"))


def kinds(folder: Path) -> None:
    """Groceries and clothes, asked for by a grocery whose kind is there, itself left out (what: ``there``), and by
    other photographs: nothing is similar to those (what: ``stranger``).
    """
    stored, asked = _fresh(folder), []
    found = {kind: [each for each in photographs() if _kind(each) == kind] for kind in KINDS_OF_THINGS}
    for number, each in enumerate([*found["grocery"], *found["clothing"]]):
        name = _save(upright(each.path), stored, number, each)
        if _kind(each) == "grocery" and sum(one.kind == each.kind for one in found["grocery"]) > 1:
            asked.append(Question(f"stored/{name}", half(each.group), "there", {}, [name]))
    for number, each in enumerate([*found["pixabay"], *found["scenes"]]):
        name = _save(upright(each.path), folder / "queries", number, each)
        asked.append(Question(f"queries/{name}", half(each.group), "stranger"))
    _write(folder, asked)


def duplicates(folder: Path, copies: int = 2000, seed: int = 9) -> None:
    """All photographs, as they are, and copies of them. Each question is a stored copy, its right answer the photograph
    that it was made of. Right of other copies of that photograph, and of its group, is what is right of two such edits
    or shots: a word about them is neither right nor wrong here.
    """
    dice, stored = random.Random(seed), _fresh(folder)
    sources = {}
    for number, photograph in enumerate(photographs()):
        name = _name(number, photograph, photograph.path.suffix)
        shutil.copyfile(photograph.path, stored / name)
        sources[name] = photograph
    apart = [name for name, each in sources.items() if _kind(each) in EDITABLE]
    available, asked = {**EDITS, **MORE_EDITS}, []
    for number, (name, edit) in enumerate(
        dice.sample([(name, edit) for name in apart for edit in available], k=copies)
    ):
        original = _shrunk(upright(stored / name))
        copy = available[edit](original, dice)
        made = f"{half(sources[name].group)}-copy-{number:05}{_suffix_of(copy)}"
        (stored / made).write_bytes(copy.encoded())
        right: list[str] = sorted(right_relations(edit, copy, original.size))
        asked.append(Question(f"stored/{made}", half(sources[name].group), edit, {name: right}, [made]))
    _write(folder, asked)


def _shots(folder: Path, kinds: Sequence[str]) -> None:
    stored = _fresh(folder)
    found = [each for each in photographs() if _kind(each) in kinds]
    names = {each.path: _save(upright(each.path), stored, number, each) for number, each in enumerate(found)}
    judged = {frozenset(pair) for pair in judged_pairs()}
    asked = []
    for one in found:
        group = [each for each in found if each.group == one.group and each.path != one.path]
        near = {each.path for each in group if frozenset((one.path, each.path)) in judged}
        right = {names[each.path]: ["scene"] if each.path in near else ["scene", "similar"] for each in group}
        what = "judged" if near else _kind(one)
        asked.append(Question(f"stored/{names[one.path]}", half(one.group), what, right, [names[one.path]], one.group))
    _write(folder, asked)


def _whole_and_cut(
    originals: int, others: int, dice: random.Random
) -> tuple[list[tuple[Photograph, Image.Image]], list[tuple[Photograph, Image.Image]]]:
    """As many of each half as the other, while there are enough."""
    one_of_each = {each.group: each for each in photographs() if _kind(each) in (*EDITABLE, "scenes", "geometry")}
    whole: list[tuple[Photograph, Image.Image]] = []
    cut: list[tuple[Photograph, Image.Image]] = []
    for part in HALVES:
        left = [each for each in one_of_each.values() if half(each.group) == part]
        dice.shuffle(left)
        editable = [each for each in left if _kind(each) in EDITABLE][: originals // 2]
        whole += [(each, _shrunk(upright(each.path))) for each in editable]
        pieces: list[tuple[Photograph, Image.Image]] = []
        for each in left:
            if each not in editable and len(pieces) < others // 2:
                pieces += [(each, piece) for piece in _pieces(upright(each.path))]
        cut += pieces[: others // 2]
    return whole, cut


def _pieces(picture: Image.Image) -> Iterator[Image.Image]:
    if min(picture.size) < SMALLEST:
        return
    across = 3 if min(picture.size) >= LARGE else 2
    width, height = (round(side * 0.95 / across) for side in picture.size)
    for column in range(across):
        for row in range(across):
            left = round(column * (picture.width - width) / (across - 1))
            top = round(row * (picture.height - height) / (across - 1))
            yield _shrunk(picture.crop((left, top, left + width, top + height)))


def _shrunk(picture: Image.Image) -> Image.Image:
    picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return picture


def _kind(photograph: Photograph) -> str:
    return photograph.kind.partition("/")[0]


def _name(number: int, photograph: Photograph, ending: str) -> str:
    kind = photograph.kind.replace("/", "-")
    return f"{half(photograph.group)}-{number:04}-{kind}-{photograph.path.stem[:24]}{ending}"


def _save(picture: Image.Image, stored: Path, number: int, photograph: Photograph) -> str:
    name = _name(number, photograph, ".jpg")
    _shrunk(picture).save(stored / name, quality=92)
    return name


def _suffix_of(copy: Copy) -> str:
    return {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}[copy.format]


def _fresh(folder: Path) -> Path:
    """The folder ``stored`` of an empty set."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "queries").mkdir(parents=True)
    (folder / "stored").mkdir()
    return folder / "stored"


def _write(folder: Path, asked: Sequence[Question]) -> None:
    lines = [json.dumps(asdict(question), sort_keys=True) for question in asked]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
