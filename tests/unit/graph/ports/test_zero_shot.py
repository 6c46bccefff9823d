"""Tags by labels in the router: embedded once a model, by the vectors that are there, and what goes wrong is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deployments.annotators.registry import validate_annotator_config
from deployments.extractor import LOGITS
from deployments.pictures.prepared import PictureFacts, PreparedPicture
from graph.ports import zero_shot
from graph.ports.contract import ExtractorStatus
from graph.ports.zero_shot import ZeroShotPort
from storage.errors import Busy, ExtractorFailed
from storage.types.features import FeatureRows
from tests.twins.in_process import LocalExtractorPort
from tests.unit.waiting import PATIENCE_S

PICTURE = PreparedPicture(PictureFacts(1, 1, "png", "00", 1), {})


class Sentences(LocalExtractorPort):
    """The fake extractor with CLIP's scale. asked: sentences so far; fails: raised that often first."""

    def __init__(self) -> None:
        super().__init__("fake", {})
        self.asked: list[str] = []
        self.fails: list[Exception] = []

    async def embed_text(self, text: str, *, timeout_s: float) -> FeatureRows:
        if self.fails:
            raise self.fails.pop()
        self.asked.append(text)
        rows = await super().embed_text(text, timeout_s=timeout_s)
        return FeatureRows(rows.rows, extras={LOGITS: np.array([100.0, np.nan])}, fingerprint=rows.fingerprint)


@pytest.fixture
def sentences() -> Iterator[Sentences]:
    made = Sentences()
    yield made
    made.close()


def port(sentences: Sentences, labels: Path, **more: object) -> ZeroShotPort:
    config = validate_annotator_config("tags", {"labels": str(labels), "prompt": "a {}", **more})
    return ZeroShotPort("tags", config, sentences)


async def settled(tags: ZeroShotPort) -> ExtractorStatus:
    """Its state once it has read its labels, or could not."""
    while True:
        status = await tags.status()
        if status.state != "loading":
            return status
        assert tags._reading is not None
        await tags._reading


async def test_the_label_whose_sentence_is_nearest_to_the_picture_is_its_tag(
    sentences: Sentences, tmp_path: Path
) -> None:
    (tmp_path / "labels").write_text("# ours\ndog\nred bridge\ncat\n")
    tags = port(sentences, tmp_path / "labels")
    status = await settled(tags)
    assert (status.state, status.role, status.spec) == ("ready", "annotator", None)
    assert sentences.asked == ["a dog", "a red bridge", "a cat"]
    rows = await sentences.embed_text("a red bridge", timeout_s=PATIENCE_S)
    [best, *_] = await tags.annotate(PICTURE, {"image_text": rows}, timeout_s=PATIENCE_S)
    assert best["label"] == "red bridge"
    assert best["score"] > 0.9


async def test_more_labels_than_may_wait_at_once_are_embedded_a_few_at_a_time(
    sentences: Sentences, tmp_path: Path
) -> None:
    (tmp_path / "labels").write_text("\n".join(f"label {number}" for number in range(1500)))
    assert (await settled(port(sentences, tmp_path / "labels"))).state == "ready"
    assert len(sentences.asked) == 1500


async def test_a_busy_model_is_asked_again(sentences: Sentences, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("dog")
    sentences.fails = [Busy("full", "later"), ExtractorFailed("restarting", "later")]
    assert (await settled(port(sentences, tmp_path / "labels"))).state == "ready"


async def test_a_file_that_is_missing_is_said_and_looked_at_again(
    sentences: Sentences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = port(sentences, tmp_path / "labels")
    status = await settled(tags)
    assert status.state == "unavailable"
    assert str(tmp_path / "labels") in status.reason
    rows = await sentences.embed_text("x", timeout_s=PATIENCE_S)
    with pytest.raises(ExtractorFailed):
        await tags.annotate(PICTURE, {"image_text": rows}, timeout_s=PATIENCE_S)
    (tmp_path / "labels").write_text("dog")
    monkeypatch.setattr(zero_shot, "RETRY_S", 0.0)
    assert (await settled(tags)).state == "ready"
