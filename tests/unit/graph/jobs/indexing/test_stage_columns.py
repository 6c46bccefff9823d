"""What travels between the stages of an indexing job comes back as it went in, in blocks that fit the memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from deployments.extractor import ImageInput
from deployments.pictures.prepared import PictureFacts
from graph.jobs.indexing.gpu_stages import BLOCK_BYTES, FEWEST_FILES, files_a_block
from graph.jobs.indexing.pictures import ReadPicture
from graph.jobs.indexing.plan import IndexPlan
from graph.jobs.indexing.spread import BATCH_FILES
from graph.jobs.indexing.stage_columns import (
    computed_table,
    file_table,
    files_of,
    form_bytes,
    forms_of,
    outcome_table,
    outcomes_of,
    read_of,
    read_table,
)
from graph.jobs.running.progress import FileOutcome
from storage.types.features import FeatureRows
from storage.types.pictures import Exif, SourceFile

GRAY = ImageInput("gray", (8, 8))
FULL = ImageInput("rgb")


@pytest.fixture
def plan() -> IndexPlan:
    return IndexPlan("job-1", 1, {"phash": {}, "fake_model": {"weights": "w"}}, 10**8, "replace")


def test_files_come_back_from_their_columns_with_names_that_are_no_text() -> None:
    listed = [("ünï/1", SourceFile("/p/\udcff.jpg", 2**40, 2**62)), (None, SourceFile("/b", 0, -1))]
    assert files_of(file_table(listed)) == listed


def test_pictures_forms_and_outcomes_come_back_from_their_columns(plan: IndexPlan) -> None:
    rng = np.random.default_rng(1)
    forms = {GRAY: rng.integers(0, 256, (8, 8), np.uint8), FULL: rng.integers(0, 256, (5, 7, 3), np.uint8)}
    facts = PictureFacts(7, 5, "png", "ab" * 32, 99, b"\0thumbnail\0", Exif(camera="a camera"))
    rows = FeatureRows(rng.standard_normal((2, 4)).astype(np.float32), extras={"xy": np.arange(4)}, fingerprint="f-1")
    source = SourceFile("/p/\udcff.png", 99, 5)
    picture = ReadPicture(source.path, forms, {"phash": rows}, {"caption": "a"}, "id\0", source, facts)
    bad = FileOutcome("/p/\udcfe", "failed", "unreadable_file", "it is \udcff")
    sent = read_table([bad, picture], [FULL, GRAY], plan)
    nothing, found = forms_of(sent, [FULL, GRAY])
    assert nothing is None
    assert found is not None
    assert found.path == picture.path
    assert {want: form.tolist() for want, form in found.forms.items()} == {
        want: form.tolist() for want, form in forms.items()
    }
    found.features["fake_model"] = rows
    found.annotations["tags"] = [{"label": "a", "score": np.float64(0.1)}]
    outcome, back = read_of(computed_table(sent, [None, found]))
    assert outcome == bad
    assert isinstance(back, ReadPicture)
    assert (back.image_id, back.source, back.facts, back.forms) == ("id\0", picture.source, facts, {})
    assert back.annotations == {"caption": "a", "tags": [{"label": "a", "score": 0.1}]}
    for name in ("phash", "fake_model"):
        assert back.features[name].rows.tobytes() == rows.rows.tobytes()
        assert back.features[name].extras["xy"].tolist() == [0, 1, 2, 3]
        assert back.features[name].fingerprint == "f-1"
    assert outcomes_of(outcome_table([bad])) == [bad]


def test_blocks_of_failed_files_alone_have_the_same_columns(plan: IndexPlan) -> None:
    bad = read_table([FileOutcome("/x", "failed")], [GRAY], plan)
    forms = {GRAY: np.zeros((8, 8), np.uint8)}
    picture = ReadPicture("/a", forms, {}, {}, "a", SourceFile("/a", 1, 1), PictureFacts(1, 1, "png", "", 1))
    assert bad.schema == read_table([picture], [GRAY], plan).schema
    assert pa.concat_tables([bad, bad]).num_rows == 2


@pytest.mark.parametrize(
    ("files_in_all", "cores", "side", "expected"),
    [
        (10**6, 16, 224, BATCH_FILES),
        (10**6, 16, 768, BLOCK_BYTES // (3 * 768 * 768)),  # Florence
        (500, 16, 224, 16),  # every core has two
        (10, 16, 224, FEWEST_FILES),
        (10**6, 16, 10**5, 1),
    ],
)
def test_blocks_are_as_large_as_memory_and_cores_allow(
    files_in_all: int, cores: float, side: int, expected: int
) -> None:
    assert files_a_block(files_in_all, cores, [ImageInput("rgb", (side, side))]) == expected


def test_forms_of_no_size_count_as_the_largest_working_image() -> None:
    assert form_bytes([FULL, GRAY]) == 3 * 1024 * 1024 + 64
