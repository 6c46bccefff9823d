"""What travels between the stages of an indexing job: Arrow tables with a row a file, of bytes and numbers only.

Files (`file_table`) become read pictures with their forms (`read_table`), those pictures with what the models computed
(`computed_table`), and those outcomes (`outcome_table`). A file that cannot be taken has its outcome from the first
stage on. Names of files travel as bytes, because they need not be text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from deployments.extractor import ImageInput, Pixels
from deployments.pictures.images import MAX_SIDE
from deployments.pictures.prepared import PictureFacts
from graph.jobs.indexing.pictures import ReadPicture, put_of
from graph.jobs.indexing.plan import ImageFile, IndexPlan
from graph.jobs.indexing.worker_parts import ComputedPicture
from graph.jobs.running.progress import FileOutcome
from storage.encoding.message_pack import pack, unpack
from storage.encoding.mutation_messages import decode_mutations, encode_mutations
from storage.types.mutations import FillFeatures, PutImage
from storage.types.pictures import Exif, SourceFile

Read = ReadPicture | FileOutcome


def file_table(files: Sequence[ImageFile]) -> pa.Table:
    sources = [source for _, source in files]
    return pa.table(
        {
            "id": _bytes_column(None if image_id is None else _encoded(image_id) for image_id, _ in files),
            "path": _bytes_column(_encoded(source.path) for source in sources),
            "size": pa.array([source.size for source in sources], pa.int64()),
            "mtime_ns": pa.array([source.mtime_ns for source in sources], pa.int64()),
        }
    )


def files_of(table: pa.Table) -> list[ImageFile]:
    """Inverse of `file_table`."""
    columns = (table[name].to_pylist() for name in ("id", "path", "size", "mtime_ns"))
    return [
        (None if image_id is None else _decoded(image_id), SourceFile(_decoded(path), size, mtime_ns))
        for image_id, path, size, mtime_ns in zip(*columns, strict=True)
    ]


def read_table(read: Sequence[Read], wants: Sequence[ImageInput], plan: IndexPlan) -> pa.Table:
    """wants: the forms to send along; column ``form_i`` holds the pixels of the i-th."""
    pictures = [each if isinstance(each, ReadPicture) else None for each in read]
    columns = {
        "path": _bytes_column(_encoded(each.path) for each in read),
        "picture": _bytes_column(None if one is None else encode_mutations([put_of(plan, one)]) for one in pictures),
        "outcome": _bytes_column(_packed(each) if isinstance(each, FileOutcome) else None for each in read),
    }
    for i, want in enumerate(wants):
        forms = [None if one is None else one.forms[want] for one in pictures]
        columns[f"form_{i}"] = _bytes_column(None if form is None else form.tobytes() for form in forms)
        for axis, side in enumerate(("height", "width")):
            columns[f"{side}_{i}"] = pa.array([0 if form is None else form.shape[axis] for form in forms], pa.int32())
    return pa.table(columns)


def forms_of(table: pa.Table, wants: Sequence[ImageInput]) -> list[ComputedPicture | None]:
    """All that the models' stage knows of the rows of a `read_table`; None for those that have their outcome. Pixels
    are views of the table.
    """
    paths = table["path"].to_pylist()
    return [
        ComputedPicture(_decoded(path), {want: _form(table, row, i, want) for i, want in enumerate(wants)}, {}, {})
        if picture.is_valid
        else None
        for row, (path, picture) in enumerate(zip(paths, table["picture"], strict=True))
    ]


def computed_table(table: pa.Table, computed: Sequence[ComputedPicture | None]) -> pa.Table:
    """The rows of a `read_table` without the forms, with what was computed from them."""
    fills = [None if one is None else FillFeatures("", "", "", one.features, one.annotations) for one in computed]
    column = _bytes_column(None if fill is None else encode_mutations([fill]) for fill in fills)
    return table.select(["picture", "outcome"]).append_column("computed", column)


def read_of(table: pa.Table) -> list[Read]:
    """The rows of a `computed_table`, or of a `read_table` without forms: pictures with all that was computed of them,
    and outcomes.
    """
    pictures, outcomes = table["picture"].to_pylist(), table["outcome"].to_pylist()
    computed = table["computed"].to_pylist() if "computed" in table.column_names else [None] * len(pictures)
    return [
        FileOutcome(*unpack(outcome)) if picture is None else _picture(picture, fill)
        for picture, outcome, fill in zip(pictures, outcomes, computed, strict=True)
    ]


def outcome_table(outcomes: Sequence[FileOutcome]) -> pa.Table:
    return pa.table({"outcome": _bytes_column(map(_packed, outcomes))})


def outcomes_of(table: pa.Table) -> list[FileOutcome]:
    """Inverse of `outcome_table`."""
    return [FileOutcome(*unpack(outcome)) for outcome in table["outcome"].to_pylist()]


def form_bytes(wants: Iterable[ImageInput]) -> int:
    """What the forms of one picture take, at most."""
    sizes = [(want.size or (MAX_SIDE, MAX_SIDE), 1 if want.color == "gray" else 3) for want in wants]
    return sum(width * height * channels for (width, height), channels in sizes)


def _picture(data: bytes, computed: bytes | None) -> ReadPicture:
    [put] = decode_mutations(data)
    [fill] = [FillFeatures("", "", "", {})] if computed is None else decode_mutations(computed)
    source = put.record.source if isinstance(put, PutImage) else None
    if not isinstance(put, PutImage) or source is None or not isinstance(fill, FillFeatures):
        raise TypeError("a row holds another mutation than the stages write")
    record = put.record
    facts = PictureFacts(
        record.width,
        record.height,
        record.format,
        record.sha256,
        record.byte_size,
        thumbnail=put.thumbnail,
        exif=record.exif or Exif(),
    )
    features, annotations = {**put.features, **fill.features}, {**record.annotations, **fill.annotations}
    return ReadPicture(source.path, {}, features, annotations, record.id, source, facts)


def _form(table: pa.Table, row: int, i: int, want: ImageInput) -> Pixels:
    shape = (table[f"height_{i}"][row].as_py(), table[f"width_{i}"][row].as_py())
    pixels = np.frombuffer(table[f"form_{i}"][row].as_buffer(), np.uint8)
    return pixels.reshape(shape if want.color == "gray" else (*shape, 3))


def _packed(outcome: FileOutcome) -> bytes:
    return pack([outcome.path, outcome.outcome, outcome.code, outcome.reason])


def _bytes_column(values: Iterable[bytes | None]) -> Any:
    return pa.array(list(values), pa.binary())


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode(errors="surrogatepass")
