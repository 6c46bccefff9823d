"""The pictures that are shown, and what the service says of two of them.

The photographs come with scikit-image, and each is in the public domain or under CC0 1.0. What is made of them here is
seeded.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from deployments.extractor import ImageInput
from deployments.extractors.local import Local
from deployments.extractors.phash import Phash
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import PreparedPicture, prepare_picture
from graph.cli.terminal.judging import confidence_figure
from graph.judging.evidence import Placed
from graph.judging.hypotheses import Hypothesis, Picture, hypotheses, stored_picture
from graph.judging.judge import Judgement, judge
from graph.judging.likeness import hash_surprise
from graph.judging.probability import calibration
from graph.judging.strangers import Strangers
from graph.search.ranking import in_query_pixels
from storage.shard.one_picture import hit_of
from storage.types.features import FeatureRows
from storage.types.searches import FeatureQuery, ImageSummary

GRAY = ImageInput("gray")
RGB = ImageInput("rgb")
PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "hubble_deep_field", "retina", "rocket")


def photograph(name: str) -> Image.Image:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the photographs come with scikit-image: install the extra `dev`")
    [path] = (Path(spec.origin).parent / "data").glob(f"{name}.*")
    return Image.open(path).convert("RGB")


def as_jpeg(picture: Image.Image, quality: int = 92) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


@cache
def local() -> Local:
    return Local()


def prepared(picture: Image.Image, quality: int = 92) -> PreparedPicture:
    """As the service has it once it has read the file."""
    wanted = (GRAY, RGB, Phash.image_input)
    return prepare_picture(as_jpeg(picture, quality), wanted, DecodeLimits(), with_thumbnail=True)


def hashes(picture: Image.Image) -> FeatureRows:
    return Phash().query_views([prepared(picture).forms[Phash.image_input]], {})[0]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What the service finds when it holds two pictures against each other. asked, kept: the keypoints of either, in
    its working image. likeliest: of the ways in which the one may show the other, that which most speaks for; None
    where they do not look alike. judgement: None where nothing speaks for one photograph or one scene.
    """

    query: Image.Image
    stored: Image.Image
    asked: FeatureRows
    kept: FeatureRows
    likeliest: Hypothesis | None
    judgement: Judgement | None

    @property
    def says(self) -> str:
        if self.judgement is None:
            return "nothing"
        return f"{self.judgement.relation}, {confidence_figure(self.judgement.confidence)}"


def looked_at(query: Image.Image, stored: Image.Image, *, strangers: Strangers | None = None) -> Looked:
    """strangers: of the query's hash; those of photographs without them."""
    q, s = prepared(query), prepared(stored)
    asked = local().query_views([q.forms[GRAY]], {})[0]
    kept = local().extract([s.forms[GRAY]])[0]
    summary = ImageSummary(s.facts.width, s.facts.height, s.facts.sha256, {})
    one = FeatureQuery("local", asked.rows, 1, extras=asked.extras)
    hit = hit_of(local().spec, one, kept, "stored", summary)
    placed = None
    if hit is not None:
        [told] = in_query_pixels([hit], [query.size])
        placed = Placed.of(round(hit.distance), told.evidence, stored.size, query.size)
    thumbnail = stored_picture(stored.size, s.facts.thumbnail)
    nearer = hash_surprise(_bits(query, stored), strangers or Strangers.sampled(()))
    if thumbnail is None or nearer is None:
        raise AssertionError("a picture that was just made cannot be read")
    seen, further = Picture(query.size, q.forms[GRAY]), {"surprise": nearer}
    likeliest = max(
        (one for one in hypotheses(seen, thumbnail, placed, further) if "median" in one.evidence),
        key=lambda one: calibration().strong.probability(one.evidence),
        default=None,
    )
    return Looked(query, stored, asked, kept, likeliest, judge(seen, thumbnail, placed=placed, further=further))


def _bits(query: Image.Image, stored: Image.Image) -> float:
    return min(Phash().distance(view, hashes(stored).rows[0]) for view in hashes(query).rows)


def font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def with_words(picture: Image.Image, words: str, at: tuple[float, float], height: float) -> Image.Image:
    """at: where the words begin, and height, as shares of the picture."""
    edited = picture.copy()
    place = round(at[0] * picture.width), round(at[1] * picture.height)
    letters = font(height * picture.height)
    ImageDraw.Draw(edited).text(place, words, fill="white", font=letters, stroke_width=3, stroke_fill="black")
    return edited


def crop(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Shares of the picture."""
    width, height = picture.size
    return picture.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


def pasted(picture: Image.Image, into: Image.Image, share: float) -> Image.Image:
    """share: of the width of ``into`` that the picture takes."""
    whole = into.copy()
    side = round(share * into.width)
    small = picture.resize((side, round(side * picture.height / picture.width)), Image.Resampling.LANCZOS)
    whole.paste(small, ((into.width - small.width) // 2, (into.height - small.height) // 2))
    return whole


def seen_from_one_side(picture: Image.Image, step: float) -> Image.Image:
    """As if from a place beside: what is lower in the picture is nearer and moves by more. step: of the nearest, as a
    share of the width.
    """
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    depth = (rows / height) ** 2 + 0.25 * np.sin(columns / width * 2 * np.pi)
    moved = cv2.remap(pixels, columns - step * width * depth, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return Image.fromarray(np.asarray(moved, np.uint8))


def pieces(count: int, seed: int = 0) -> Iterator[Image.Image]:
    """Parts of the photographs, each of another place and size: they stand for the photographs of a collection."""
    random = np.random.default_rng(seed)
    whole = [photograph(name) for name in PHOTOGRAPHS]
    for number in range(count):
        picture = whole[number % len(whole)]
        share = random.uniform(0.25, 0.6)
        left, top = random.uniform(0, 1 - share, 2)
        yield crop(picture, left, top, left + share, top + share)


def pages(count: int, seed: int = 0) -> Iterator[Image.Image]:
    """Letters with other words in one layout."""
    random = np.random.default_rng(seed)
    letters = list("etaoinshrdlu")
    for _ in range(count):
        page = Image.new("RGB", (480, 640), "white")
        draw = ImageDraw.Draw(page)
        for line in range(22):
            words = ("".join(random.choice(letters, random.integers(2, 9))) for _ in range(8))
            draw.text((50, 60 + 24 * line), " ".join(words)[:44], fill="black", font=font(15))
        yield page
