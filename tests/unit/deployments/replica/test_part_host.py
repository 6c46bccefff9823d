"""What a replica hosts: batches, calls that fail alone, the configured model and the one that it is to replace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.replica import part_host
from deployments.replica.extractor_wire import ExtractorCall
from deployments.replica.part_host import PartHost
from storage.errors import ExtractorFailed, ExtractorUnavailable, InvalidField
from storage.types.features import FeatureRows
from tests.unit.waiting import wait_for

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "one").write_text("one")
    (tmp_path / "two").write_text("two")
    return tmp_path


@pytest.fixture
def host(weights: Path) -> Iterator[PartHost]:
    made = PartHost("extractor", "fake_model", options(weights, "two"))
    yield made
    made.close()


def options(weights: Path, name: str) -> dict[str, Any]:
    return {"weights": str(weights / name)}


def rows(answer: object) -> FeatureRows:
    assert isinstance(answer, FeatureRows), answer
    return answer


def test_rows_carry_the_fingerprint_of_what_computed_them(host: PartHost) -> None:
    spec = host.report().spec
    assert spec is not None
    calls = [ExtractorCall("extract", GRAY, {}), ExtractorCall("embed_text", "a dog", {})]
    assert [rows(answer).fingerprint for answer in host.answer(calls)] == [spec.fingerprint] * 2


def test_a_batch_of_every_ability_is_answered_in_order_as_one_by_one(host: PartHost) -> None:
    calls = [
        ExtractorCall("embed_text", "a dog", {}),
        ExtractorCall("extract", GRAY, {}),
        ExtractorCall("query_views", GRAY, {}),
        ExtractorCall("embed_text", "a cat", {}),
        ExtractorCall("extract", GRAY[::-1], {}),
    ]
    for together, call in zip(host.answer(calls), calls, strict=True):
        np.testing.assert_array_equal(rows(together).rows, rows(host.answer([call])[0]).rows)


def test_a_call_that_fails_fails_alone() -> None:
    host = PartHost("extractor", "phash", {})
    good, bad = ExtractorCall("extract", np.zeros((96, 96), np.uint8), {}), ExtractorCall("extract", GRAY, {})
    found = host.answer([good, bad, ExtractorCall("embed_text", "words", {}), good])
    assert isinstance(found[0], FeatureRows)
    assert isinstance(found[1], ExtractorFailed)
    assert isinstance(found[2], InvalidField)
    assert isinstance(found[3], FeatureRows)


def test_the_model_that_is_to_be_replaced_answers_beside_the_configured_one(host: PartHost, weights: Path) -> None:
    older = options(weights, "one")
    wait_for(lambda: host.report(older).state == "ready", "the older one is loaded")
    configured, old = host.report().spec, host.report(older).spec
    assert configured is not None
    assert old is not None
    assert configured.fingerprint != old.fingerprint
    calls = [ExtractorCall("extract", GRAY, {}), ExtractorCall("extract", GRAY, {}, older)]
    assert [rows(answer).fingerprint for answer in host.answer(calls)] == [configured.fingerprint, old.fingerprint]


def test_a_model_that_nobody_asks_for_any_more_is_let_go(
    host: PartHost, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(lambda: host.report(options(weights, "one")).state == "ready", "the older one is loaded")
    monkeypatch.setattr(part_host, "UNASKED_S", 0.0)
    host.report()
    assert len(host._parts) == 1


def test_a_model_whose_file_was_exchanged_is_loaded_anew_by_whoever_misses_it(host: PartHost, weights: Path) -> None:
    before = host.report().spec
    (weights / "two").write_text("three")
    assert host.report().spec == before
    wait_for(lambda: host.report(options(weights, "two")).spec != before, "it is loaded anew")
    assert host.report().spec != before


def test_without_its_model_every_call_is_answered_with_the_reason(weights: Path) -> None:
    host = PartHost("extractor", "fake_model", options(weights, "three"))
    assert host.report().state == "unavailable"
    [answer] = host.answer([ExtractorCall("extract", GRAY, {})])
    assert isinstance(answer, ExtractorUnavailable)
    assert "three" in answer.message
    host.close()
