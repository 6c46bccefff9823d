"""One evaluation: every photo is asked as it is, with itself left out, and some are asked edited."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Protocol

from PIL import Image

from deployments.pictures.images import DecodeLimits, WorkingImage, decode
from graph.jobs.evaluating.agreement import is_one_photograph
from graph.jobs.evaluating.drawing import Drawn, Library, read_file
from graph.jobs.evaluating.edits import EDITS, Copy, edited, key_of
from graph.jobs.evaluating.relations import CHANGES, Relations, right_relations
from graph.jobs.evaluating.tally import ALL, Failure, Tally
from graph.requests.messages import SearchRequest
from lookalike_client.answers import SearchAnswer, SearchResult
from storage.errors import LookalikeError, Unavailable, UnreadableImage
from storage.types.filters import Comparison, Not

DEPTH = 100  # results: as deep as a feature's list is, so that none is missed that a feature alone puts first
MOST_UNANSWERED = 20  # one after the other, and the service is not evaluated but down
TIME_FOR_EDITS = 0.7  # of all, while there are strangers left to ask


class Searches(Protocol):
    """The service that is evaluated."""

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises a `LookalikeError`."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """edited: how many photos are asked edited. seed: of the edits. features: those that are asked alone, too. until:
    of `time.monotonic`, after which nothing more is asked; edits_until: no more edits. least_confidence: of strong
    relations; None takes what is in force.
    """

    edited: int
    seed: int
    features: Sequence[str]
    edits_until: float
    until: float
    least_confidence: float | None = None

    def questions(self, photos: int) -> int:
        return photos + min(photos, self.edited) * (len(EDITS) + len(self.features))


@dataclass(frozen=True, slots=True)
class Question:
    edit: str
    query: bytes
    right: Relations


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """asked: called after each question, said: after each photo. edited: how many photos were asked edited so far;
    strangers: how many as they are.
    """

    service: Searches
    library: Library
    limits: DecodeLimits
    plan: Plan
    tally: Tally
    workers: Executor
    asked: Callable[[], None]
    said: Callable[[], None]
    edited: int = 0
    strangers: int = 0
    _unanswered: int = 0

    def run(self, photos: Iterable[Drawn]) -> None:
        """Raises `Unavailable` where the service does not answer."""
        for photo in photos:
            if time.monotonic() >= self.plan.until:
                return
            self._ask(photo)
            self.said()

    def _ask(self, photo: Drawn) -> None:
        data = self._data(photo)
        image = None if data is None else self._decoded(data)
        if data is None or image is None:
            self.tally.unreadable += 1
            return
        known, copies = self._ask_itself(photo, data, image)
        if known is not None and self.edited < self.plan.edited and time.monotonic() < self.plan.edits_until:
            self.edited += 1
            self._ask_edited(known, photo.path, copies | {known}, image)

    def _ask_itself(self, photo: Drawn, data: bytes, image: WorkingImage) -> tuple[str | None, frozenset[str]]:
        """Its id in the collection, if it is there, and those of its copies. Whatever else is called one photograph
        with it is wrong.
        """
        left_out = None if photo.id is None else Not(Comparison("id", "=", (photo.id,)))
        answer = self._answer(SearchRequest(images=(data,), filter=left_out, k=DEPTH), ALL)
        if answer is None:
            return photo.id, frozenset()
        self.strangers += 1
        strong = [result for result in answer.results if result.is_strong]
        digest = hashlib.sha256(data).hexdigest()
        same_bytes = [result.id for result in strong if self.library.holds(result.id, digest)]
        known = photo.id or next(iter(same_bytes), None)
        copies = {result.id for result in strong if result.id in same_bytes or self._is_copy(image, result)}
        wrong = [result for result in strong if result.id not in copies]
        about = Failure("stranger", id=photo.id, path=photo.path)
        taken = [result for result in strong if result.id in copies - {known}]
        self.tally.copied([_of(result, replace(about, kind="copy", why="taken for a copy")) for result in taken])
        self.tally.worst.append(max((result.confidence or 0.0 for result in wrong), default=0.0))
        for result in wrong:
            self._note_wrong(result, about)
        return known, frozenset(copies)

    def _ask_edited(self, image_id: str, path: str | None, own: frozenset[str], image: WorkingImage) -> None:
        picture = Image.fromarray(image.pixels)
        edits = [edit for edit in EDITS if self.plan.edits_until > time.monotonic()]
        made = self.workers.map(lambda edit: self._question(edit, picture, image_id), edits)
        questions = []
        for question in made:
            if time.monotonic() < self.plan.edits_until:
                self._ask_edit(question, image_id, path, own)
                questions.append(question)
        if questions:
            for feature in self.plan.features:
                query = random.Random(f"{self.plan.seed} {image_id}").choice(questions).query
                self._answer(SearchRequest(images=(query,), features=(feature,)), feature)

    def _question(self, edit: str, picture: Image.Image, image_id: str) -> Question:
        copy: Copy = edited(picture, edit, self.plan.seed, image_id)
        return Question(edit, copy.encoded(), right_relations(CHANGES[edit], copy, picture.size))

    def _ask_edit(self, question: Question, image_id: str, path: str | None, own: frozenset[str]) -> None:
        answer = self._answer(SearchRequest(images=(question.query,), k=DEPTH), ALL)
        if answer is None:
            return
        it = next((result for result in answer.results if result.id == image_id), None)
        right = it is not None and it.is_strong and it.relation in question.right
        found = self.tally.edit_asked(question.edit, answer, own, right=right)
        expected = tuple(sorted(question.right))
        about = Failure("edit", edit=key_of(question.edit), id=image_id, path=path, expected=expected)
        if it is not None and it.is_strong:
            self.tally.told.append((it.confidence or 0.0, right))
        if not found:
            self._fail(about, "another picture is first", answer.results[0] if answer.results else None)
        elif not right:
            self._fail(about, "wrong relation" if it is not None and it.is_strong else "not proven", it)
        others = [result for result in answer.results if result.is_strong and result.id not in own]
        query = self._decoded(question.query) if others else None
        for result in others:
            if query is None or not self._is_copy(query, result):
                self._note_wrong(result, replace(about, expected=()))

    def _note_wrong(self, result: SearchResult, about: Failure) -> None:
        self.tally.told.append((result.confidence or 0.0, False))
        self._fail(about, "called a match", result)

    def _fail(self, about: Failure, why: str, found: SearchResult | None) -> None:
        about = replace(about, why=why)
        self.tally.failed(about if found is None else _of(found, about))

    def _answer(self, request: SearchRequest, feature: str) -> SearchAnswer | None:
        """None where there was none."""
        began = time.perf_counter()
        try:
            answer = self.service.search(replace(request, least_confidence=self.plan.least_confidence))
        except LookalikeError as failure:
            self._unanswered += 1
            self.tally.unanswered[failure.code] += 1
            if self._unanswered >= MOST_UNANSWERED:
                raise Unavailable(f"{MOST_UNANSWERED} searches in a row failed: {failure.message}") from failure
            return None
        finally:
            self.asked()
        self._unanswered = 0
        self.tally.took_ms[feature].append(1000 * (time.perf_counter() - began))
        return answer

    def _is_copy(self, query: WorkingImage, result: SearchResult) -> bool:
        """Whether what was called one photograph is, as its file shows, or its thumbnail where that cannot be read."""
        data = self.library.original(result.id) or self.library.thumbnail(result.id)
        stored = None if data is None else self._decoded(data)
        return stored is not None and is_one_photograph(query, stored, result)

    def _data(self, photo: Drawn) -> bytes | None:
        if photo.id is not None:
            return self.library.original(photo.id)
        return None if photo.path is None else read_file(photo.path)

    def _decoded(self, data: bytes) -> WorkingImage | None:
        try:
            return decode(data, self.limits)
        except UnreadableImage:
            return None


def _of(result: SearchResult, about: Failure) -> Failure:
    return replace(about, found=result.id, relation=result.relation, confidence=result.confidence)
