"""What every annotator must do: subclass it and give `make_annotator`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest

from deployments.extractor import Annotator
from tests.suites.extractor_suite import make_pictures


class AnnotatorSuite(ABC):
    _shared: ClassVar[Annotator]

    @abstractmethod
    def make_annotator(self) -> Annotator:
        """A new one, as the registry makes it."""

    @pytest.fixture
    def annotator(self) -> Annotator:
        """One for all tests of the class, as it serves request after request: loading some takes a while."""
        mine = type(self)
        if "_shared" not in vars(mine):
            mine._shared = self.make_annotator()
        return mine._shared

    def test_annotations_are_what_json_can_hold(self, annotator: Annotator) -> None:
        annotations = annotator.annotate(make_pictures(annotator, 3))
        assert len(annotations) == 3
        assert json.loads(json.dumps(annotations)) == annotations

    def test_two_instances_agree(self, annotator: Annotator) -> None:
        other = self.make_annotator()
        pictures = make_pictures(annotator, 2)
        assert annotator.fingerprint == other.fingerprint
        assert annotator.annotate(pictures) == other.annotate(pictures)

    def test_a_batch_gives_what_one_by_one_gives(self, annotator: Annotator) -> None:
        pictures = make_pictures(annotator, 5)
        assert annotator.annotate(pictures) == [annotator.annotate([picture])[0] for picture in pictures]

    def test_no_pictures_give_no_annotations(self, annotator: Annotator) -> None:
        assert annotator.annotate([]) == []

    def test_pictures_are_not_changed_and_may_be_read_only(self, annotator: Annotator) -> None:
        (picture,) = make_pictures(annotator, 1)
        before = picture.copy()
        picture.setflags(write=False)
        annotator.annotate([picture])
        np.testing.assert_array_equal(picture, before)

    def test_threads_do_not_disturb_each_other(self, annotator: Annotator) -> None:
        pictures = make_pictures(annotator, 6)
        wanted = annotator.annotate(pictures)
        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(lambda picture: annotator.annotate([picture])[0], pictures)) == wanted
