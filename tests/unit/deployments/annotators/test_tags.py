from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from deployments.annotators.label_files import read_labels
from deployments.annotators.registry import (
    annotator_class,
    annotator_configs,
    create_annotator,
    validate_annotator_config,
)
from deployments.annotators.tags import Config, Tags
from deployments.annotators.zero_shot import best_tags, sigmoid, softmax
from deployments.extractor import NeedsWeights
from deployments.pictures.images import decode
from deployments.pictures.prepared import prepare
from storage.errors import ExtractorUnavailable, Misconfigured
from tests.suites.annotator_suite import AnnotatorSuite
from tests.suites.extractor_suite import make_pictures
from tests.unit.deployments.models import tiny_models


def loaded(folder: Path, **settings: Any) -> Tags:
    return Tags(Config.model_validate({"model": str(folder), "precision": "float", **settings}))


class TestTags(AnnotatorSuite):
    folder: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.folder = tiny_models.tiny_classifier(tmp_path_factory.mktemp("classifier"))

    def make_annotator(self) -> Tags:
        return loaded(self.folder)

    def test_scores_of_single_labels_add_up_to_one(self) -> None:
        tagger = loaded(self.folder, threshold=0, top_k=10)
        (tags,) = tagger.annotate(make_pictures(tagger, 1))
        assert {tag["label"] for tag in tags} == {f"class {i}" for i in range(10)}
        assert sum(tag["score"] for tag in tags) == pytest.approx(1, abs=1e-3)
        assert tags == sorted(tags, key=lambda tag: -tag["score"])

    def test_threshold_and_number_limit_the_tags(self) -> None:
        pictures = make_pictures(self.make_annotator(), 3)
        assert all(len(tags) == 2 for tags in loaded(self.folder, threshold=0, top_k=2).annotate(pictures))
        assert loaded(self.folder, threshold=1).annotate(pictures) == [[], [], []]

    def test_what_changes_the_tags_changes_the_fingerprint(self) -> None:
        prints = {loaded(self.folder, **options).fingerprint for options in ({}, {"top_k": 3}, {"threshold": 0.2})}
        assert len(prints) == 3
        assert all(mark.startswith("tags-1/") for mark in prints)


def test_multi_label_scores_stand_each_for_itself(tmp_path: Path) -> None:
    tagger = loaded(tiny_models.tiny_classifier(tmp_path, multi_label=True), threshold=0, top_k=10)
    (tags,) = tagger.annotate(make_pictures(tagger, 1))
    assert sum(tag["score"] for tag in tags) > 2


def test_a_backbone_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExtractorUnavailable, match="classifier"):
        loaded(tiny_models.tiny_vit(tmp_path))


@pytest.mark.parametrize("config", [{}, {"model": "x", "labels": "default"}])
def test_tags_come_from_a_model_or_from_labels(config: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"annotators\.tags: give exactly one of model and labels"):
        create_annotator("tags", config)


def test_the_registry_knows_tags_and_captions() -> None:
    assert tuple(annotator_configs()) == ("tags", "caption")
    assert annotator_class("tags") is Tags
    assert isinstance(Tags, NeedsWeights)
    with pytest.raises(Misconfigured, match=r"no annotator 'tag' \(did you mean 'tags'\?\)"):
        annotator_class("tag")
    with pytest.raises(Misconfigured, match=r"annotators\.caption needs the setting 'model'"):
        validate_annotator_config("caption")


def test_an_airplane_is_tagged_as_one(shared_dir: Path) -> None:
    folder = shared_dir / "models" / "mobilenet-v2-imagenet"
    if not folder.is_dir():
        pytest.skip("no real model in ../shared")
    tagger = loaded(folder)
    photo = decode((shared_dir / "photos" / "pixabay" / "airplane01.jpg").read_bytes())
    (tags,) = tagger.annotate([prepare(photo, tagger.image_input)])
    assert tags[0]["label"] in ("airliner", "warplane, military plane")


def test_ties_keep_the_order_of_the_labels() -> None:
    tags = best_tags(["a", "b", "c"], np.array([0.25, 0.5, 0.25]), threshold=0.25, top_k=3)
    assert [tag["label"] for tag in tags] == ["b", "a", "c"]


def test_large_logits_do_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0, -1000.0])), [0.5, 0.5, 0])
    np.testing.assert_allclose(sigmoid(np.array([-1000.0, 0.0, 1000.0])), [0, 0.5, 1])


def test_labels_are_lines_without_comments(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("# ours\ncat\n\n  dog \ncat\nC# code\n", encoding="utf-8")
    assert read_labels(str(path)) == ("cat", "dog", "C# code")
    before = Tags.weights_mark(Config.model_validate({"labels": str(path)}))
    path.write_text("cat\n", encoding="utf-8")
    assert Tags.weights_mark(Config.model_validate({"labels": str(path)})) != before


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\xff"])
def test_a_file_without_labels_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(ExtractorUnavailable, match=r"labels\.txt"):
        read_labels(str(tmp_path / "labels.txt"))
    with pytest.raises(ExtractorUnavailable, match="cannot be read"):
        read_labels(str(tmp_path / "none.txt"))


def test_our_own_labels_are_many_and_each_once() -> None:
    labels = read_labels("default")
    assert len(labels) > 300
    assert len({label.casefold() for label in labels}) == len(labels)
