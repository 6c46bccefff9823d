"""An original installation's data folders, made up in their documented format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import lmdb
import numpy as np
from numpy.typing import NDArray

from deployments.extractors.color import Color
from deployments.extractors.phash import Phash
from deployments.pictures.images import DecodeLimits
from deployments.pictures.prepared import prepare_picture
from tests.unit.graph.local_catalog import photo

SCALE = np.float32(1e7)


def key(number: int) -> bytes:
    return number.to_bytes(4, "big")


def write_store(path: Path, items: Mapping[bytes, bytes]) -> Path:
    """Adds to it where it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = lmdb.open(str(path), map_size=1 << 30)
    with environment.begin(write=True) as transaction:
        for at, value in items.items():
            transaction.put(at, value)
    environment.close()
    (path / "lock.mdb").unlink()
    return path


def forget(path: Path, keys: Iterable[bytes]) -> None:
    environment = lmdb.open(str(path), map_size=1 << 30)
    with environment.begin(write=True) as transaction:
        for at in keys:
            assert transaction.delete(at)
    environment.close()


def write_names(folder: Path, names: Mapping[int, str]) -> None:
    write_store(folder / "id_to_filename.lmdb", {key(number): name.encode() for number, name in names.items()})
    write_store(folder / "filename_to_id.lmdb", {name.encode(): key(number) for number, name in names.items()})


def hashes_and_histograms(seed: int) -> tuple[bytes, bytes]:
    """What the original computes of ``photo(seed)``."""
    phash, color = Phash(), Color()
    forms = prepare_picture(photo(seed), {phash.image_input, color.image_input}, DecodeLimits()).forms
    [of_phash], [of_color] = phash.extract([forms[phash.image_input]]), color.extract([forms[color.image_input]])
    return of_phash.rows.tobytes(), (of_color.rows * SCALE).astype(np.float32).tobytes()


def random_hash(rng: np.random.Generator) -> bytes:
    return rng.bytes(72)


def random_histogram(rng: np.random.Generator, scale: float = 1e7) -> bytes:
    """Mostly empty, as those of photos are."""
    bins = np.zeros(512, np.float32)
    bins[rng.choice(512, 40, replace=False)] = rng.dirichlet(np.ones(40)).astype(np.float32)
    return (bins * np.float32(scale)).tobytes()


def random_vector(rng: np.random.Generator, size: int) -> bytes:
    return vector_bytes(rng.standard_normal(size).astype(np.float32))


def vector_bytes(vector: NDArray[np.float32]) -> bytes:
    return (vector / np.linalg.norm(vector)).astype(np.float32).tobytes()


def write_installation(folder: Path, numbers: Iterable[int], *, photos: Iterable[int] = ()) -> Path:
    """phash_web and color_web with pictures of these ids, called ``N.jpg``. photos: ids whose values are those of
    ``photo(id)``; the others are random.
    """
    rng, real = np.random.default_rng(0), set(photos)
    values = {
        number: hashes_and_histograms(number) if number in real else (random_hash(rng), random_histogram(rng))
        for number in numbers
    }
    names = {number: f"{number}.jpg" for number in values}
    write_store(folder / "phash_web" / "phashes.lmdb", {key(n): value[0] for n, value in values.items()})
    write_store(folder / "color_web" / "rgb_histograms.lmdb", {key(n): value[1] for n, value in values.items()})
    for service in ("phash_web", "color_web"):
        write_names(folder / service, names)
    return folder
