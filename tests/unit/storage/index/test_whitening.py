"""Whitening: as numpy does it, in an index as the oracle finds, in a shard through writes and openings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.errors import InvalidRequest, UnknownFeature
from storage.index.unit_vectors import unit_rows
from storage.index.whitening import LEAST_ROWS, ROWS_AT_ONCE, SHRINKAGE, WhitenedIndex, Whitening, train_whitening
from storage.operations.features import SampleRows
from storage.operations.indexes import SaveIndexes, Whiten
from storage.operations.models import AdoptModel, BeginModel, DropReplaced, SwitchModel
from storage.operations.reports import Stats, Verify
from storage.shard.shard import Shard
from storage.tables.model_version_records import put_whitening, stored_whitening
from storage.tables.schema import META
from storage.types.features import FeatureSpec, FloatVectors
from storage.types.searches import Hit
from storage.upkeep.factory import IndexConfig, build_index
from storage.upkeep.loading import scanned
from storage.upkeep.snapshots import load_snapshot, save_snapshot
from tests.suites.exact_index import ExactIndex
from tests.suites.vector_index_suite import NOTHING, add, assert_same_answer, numbers, remove
from tests.unit.storage.conftest import MakeStore, Reopen
from tests.unit.storage.models import ONE, TWO, ask_seen, fill_seen, put_seen, seen_by
from tests.unit.storage.samples import SPECS, applied, delete, inside

EMBEDDING = FeatureSpec("embedding", "dense", 24, "cosine", "v1")
NAMES = [f"i{number:02}" for number in range(50)]


def embeddings(count: int, seed: int = 0, spec: FeatureSpec = EMBEDDING) -> FloatVectors:
    """(count, D) unit rows that have much in common."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, spec.dim)) * np.linspace(1, 0.1, spec.dim) + 2.0
    return unit_rows(np.asarray(rows, np.float32))


def seen(names: list[str], model: FeatureSpec = ONE) -> FloatVectors:
    return np.concatenate([np.asarray(seen_by(model, name).rows, np.float32) for name in names])


WHITENING = train_whitening(seen(NAMES))
OTHER = train_whitening(seen(NAMES[:40]), 5)


# --- training ---


@pytest.mark.parametrize("components", [None, 7])
def test_whitened_rows_have_no_mean_and_no_correlation_but_for_the_shrinkage(components: int | None) -> None:
    rows = embeddings(500)
    whitening = train_whitening(rows, components)
    projected = (rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)) @ whitening.axes.astype(np.float64).T
    variances = np.linalg.svd(rows - rows.mean(axis=0, dtype=np.float64), compute_uv=False) ** 2 / len(rows)
    kept = variances[: components or 24]
    wanted = kept / (kept + SHRINKAGE * kept.mean())
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(projected.T @ projected / len(rows), np.diag(wanted), atol=2e-4)
    np.testing.assert_allclose(whitening.mean, rows.mean(axis=0), atol=1e-6)
    assert (whitening.axes.shape, whitening.rows) == ((components or 24, 24), 500)


def test_without_shrinkage_the_covariance_is_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.index.whitening.SHRINKAGE", 0.0)
    rows = embeddings(500)
    whitening = train_whitening(rows)
    projected = (rows.astype(np.float64) - whitening.mean) @ whitening.axes.T
    np.testing.assert_allclose(projected.T @ projected / len(rows), np.eye(24), atol=1e-3)


def test_whitened_rows_are_the_projected_ones_at_unit_length() -> None:
    rows = embeddings(100)
    whitening = train_whitening(rows)
    projected = (rows.astype(np.float64) - whitening.mean) @ whitening.axes.T
    wanted = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    np.testing.assert_allclose(whitening.applied(rows), wanted, atol=1e-5)
    assert whitening.applied(rows).dtype == np.float32


def test_a_row_of_zeros_points_somewhere() -> None:
    rows = unit_rows(np.array([[0, 0], [3, 4]], np.float32))
    np.testing.assert_allclose(rows, np.array([[1, 0], [0.6, 0.8]]), atol=1e-7)
    whitening = train_whitening(embeddings(100))
    assert np.linalg.norm(whitening.applied(whitening.mean[None])[0]) == pytest.approx(1)


def test_rows_that_are_all_the_same_give_a_whitening_of_finite_numbers() -> None:
    rows = np.repeat(embeddings(1), LEAST_ROWS, axis=0)
    assert np.isfinite(train_whitening(rows).applied(embeddings(5))).all()


def test_training_twice_gives_the_same() -> None:
    one, other = train_whitening(embeddings(200)), train_whitening(embeddings(200))
    np.testing.assert_array_equal(one.axes, other.axes)
    assert one.checksum == other.checksum > 0
    assert train_whitening(embeddings(200), 5).checksum != one.checksum
    assert train_whitening(embeddings(200, seed=1)).checksum != one.checksum


def test_too_few_rows_or_too_many_components_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="31 pictures are too few") as refusal:
        train_whitening(embeddings(LEAST_ROWS - 1))
    assert "32" in refusal.value.hint
    wide = FeatureSpec("embedding", "dense", 64, "cosine", "v1")
    assert train_whitening(embeddings(40, spec=wide)).axes.shape == (39, 64)
    for components, rows in ((0, embeddings(40)), (25, embeddings(40)), (40, embeddings(40, spec=wide))):
        with pytest.raises(InvalidRequest, match="components"):
            train_whitening(rows, components)


def test_a_whitening_comes_out_of_the_store_as_it_went_in(make_store: MakeStore) -> None:
    store = make_store([META])
    store.write(lambda transaction: put_whitening(transaction, "global@2", OTHER))
    with store.read() as transaction:
        found = stored_whitening(transaction, "global@2")
        assert stored_whitening(transaction, "global") is None
    assert found is not None
    assert (found.checksum, found.rows) == (OTHER.checksum, 40)
    store.write(lambda transaction: put_whitening(transaction, "global@2", None))
    with store.read() as transaction:
        assert stored_whitening(transaction, "global@2") is None


# --- the index ---


def whitened_index(whitening: Whitening) -> WhitenedIndex:
    index = build_index(EMBEDDING, None, None, whitening)
    assert isinstance(index, WhitenedIndex)
    return index


@pytest.mark.parametrize("components", [None, 9])
def test_a_whitened_index_finds_what_the_oracle_finds_among_whitened_rows(components: int | None) -> None:
    rows, queries = embeddings(300), embeddings(6, seed=1)
    whitening = train_whitening(rows, components)
    index = remove(add(whitened_index(whitening), numbers(5, 305), rows), numbers(10, 40), rows)
    oracle = ExactIndex("cosine", numbers(5, 305), whitening.applied(rows))
    oracle = oracle.with_changes(remove=numbers(10, 40), add=NOTHING, rows=whitening.applied(rows)[:0])
    for k in (1, 10, 400):
        assert_same_answer(index.search(queries, k), oracle.search(whitening.applied(queries), k))
    assert index.rows_count == 270
    assert index.kind == "exact"
    handles, live = index.live_rows()
    np.testing.assert_array_equal(handles, oracle.live_rows()[0])
    np.testing.assert_allclose(live, oracle.live_rows()[1], atol=1e-5)
    assert index.memory_bytes > live.nbytes


def test_rows_added_at_once_are_whitened_as_one_by_one() -> None:
    rows = embeddings(ROWS_AT_ONCE + 3)
    whitening = train_whitening(rows[:200])
    together = add(whitened_index(whitening), numbers(0, len(rows)), rows)
    np.testing.assert_allclose(together.live_rows()[1], whitening.applied(rows), atol=1e-5)
    assert add(whitened_index(whitening), NOTHING, rows[:0]).rows_count == 0


def test_a_snapshot_has_whitened_rows_and_is_for_its_whitening_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = embeddings(60)
    whitening, other = train_whitening(rows, 9), train_whitening(rows, 8)
    index = add(whitened_index(whitening), numbers(0, 60), rows)
    save_snapshot(tmp_path, EMBEDDING, index, sequence=3, owner="aa")
    snapshot = load_snapshot(tmp_path, EMBEDDING, whitening)
    assert snapshot is not None
    restored = whitened_index(whitening).with_whitened_rows(snapshot.handles, snapshot.rows)
    np.testing.assert_array_equal(restored.live_rows()[1], index.live_rows()[1])
    with caplog.at_level(logging.WARNING):
        assert load_snapshot(tmp_path, EMBEDDING, other) is None
        assert load_snapshot(tmp_path, EMBEDDING) is None
    assert caplog.text.count("whitened otherwise") == 2


def test_a_snapshot_of_plain_rows_is_not_taken_for_whitened_ones(tmp_path: Path) -> None:
    rows = embeddings(60)
    save_snapshot(tmp_path, EMBEDDING, add(build_index(EMBEDDING), numbers(0, 60), rows), sequence=3, owner="aa")
    assert load_snapshot(tmp_path, EMBEDDING, train_whitening(rows)) is None
    assert load_snapshot(tmp_path, EMBEDDING) is not None


def test_an_index_that_is_not_to_be_whitened_is_not() -> None:
    index = build_index(EMBEDDING, IndexConfig(whitening=False), None, train_whitening(embeddings(60)))
    assert not isinstance(index, WhitenedIndex)


# --- the shard ---


@pytest.fixture
def late(reopen: Reopen) -> Callable[..., Shard]:
    def open_late(**options: Any) -> Shard:
        return reopen(SPECS, late=["global"], **options)

    return open_late


@pytest.fixture
def full(late: Callable[..., Shard]) -> Shard:
    shard = late()
    shard.ask(AdoptModel(ONE, {}))
    applied(shard, [put_seen(name, ONE) for name in NAMES])
    return shard


def nearest(shard: Shard, seed: str = "x", model: FeatureSpec = ONE) -> list[Hit]:
    return list(shard.search([ask_seen(model, seed, k=8, max_distance=None)])[0].hits["global"])


def assert_nearest(
    shard: Shard, whitening: Whitening | None, names: list[str] | None = None, model: FeatureSpec = ONE
) -> None:
    """The shard finds what the oracle does among these pictures."""
    names = NAMES if names is None else names
    rows, asked = seen(names, model), seen(["x"], model)
    if whitening is not None:
        rows, asked = whitening.applied(rows), whitening.applied(asked)
    wanted = ExactIndex("cosine", numbers(0, len(names)), rows).search(asked, 8)
    hits = nearest(shard, model=model)
    assert [hit.id for hit in hits] == [names[handle] for handle in wanted.handles[0]]
    np.testing.assert_allclose([hit.distance for hit in hits], wanted.distances[0], atol=1e-5)
    assert shard.ask(Stats()).features["global"].whitening == (0 if whitening is None else whitening.checksum)
    assert shard.ask(Verify()).problems == ()


def test_a_shard_is_whitened_and_no_longer(full: Shard) -> None:
    assert_nearest(full, None)
    report = full.ask(Whiten("global", "net-1", WHITENING))
    assert (report.shard, report.feature, report.rows) == (0, "global", 50)
    assert_nearest(full, WHITENING)
    full.ask(Whiten("global", "net-1", OTHER))
    assert_nearest(full, OTHER)
    full.ask(Whiten("global", "net-1", None))
    assert_nearest(full, None)


def test_a_whitened_shard_takes_in_what_is_written(full: Shard) -> None:
    full.ask(Whiten("global", "net-1", OTHER))
    applied(full, [delete(NAMES[3]), put_seen("new", ONE), put_seen("waits")])
    applied(full, [fill_seen("waits", ONE)])
    assert_nearest(full, OTHER, [*(name for name in NAMES if name != NAMES[3]), "new", "waits"])


@pytest.mark.parametrize("whitening", [OTHER, None], ids=["whitened", "plain"])
def test_what_is_written_meanwhile_is_not_lost(
    full: Shard, monkeypatch: pytest.MonkeyPatch, whitening: Whitening | None
) -> None:
    def slow(transaction: Any, *rest: Any) -> Any:
        index = scanned(transaction, *rest)
        writer = threading.Thread(
            target=full.apply, args=([delete(NAMES[3]), put_seen("new", ONE), put_seen("z", ONE), delete("z")],)
        )
        writer.start()
        writer.join()
        return index

    monkeypatch.setattr("storage.upkeep.rebuilding.scanned", slow)
    full.ask(Whiten("global", "net-1", whitening))
    assert_nearest(full, whitening, [*(name for name in NAMES if name != NAMES[3]), "new"])


def kill(shard: Shard) -> None:
    """Ends the shard without its saving anything, as a killed process does."""
    inside(shard).upkeep._saved_sequence = inside(shard).moment.sequence
    shard.close()


def no_scan(*_: object) -> None:
    raise AssertionError("the rows are read, not the snapshot")


def test_a_whitened_index_is_loaded_from_its_snapshot(
    late: Callable[..., Shard], full: Shard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full.ask(SaveIndexes())
    full.ask(Whiten("global", "net-1", OTHER))
    full.ask(SaveIndexes())
    applied(full, [put_seen("new", ONE), delete(NAMES[0])])
    kill(full)
    monkeypatch.setattr("storage.upkeep.loading.scanned", no_scan)
    with caplog.at_level(logging.WARNING):
        shard = late()
    assert caplog.text == ""
    assert_nearest(shard, OTHER, [*NAMES[1:], "new"])


@pytest.mark.parametrize("whitening", [WHITENING, None], ids=["other", "plain"])
def test_a_snapshot_of_another_whitening_is_not_used(
    late: Callable[..., Shard], full: Shard, caplog: pytest.LogCaptureFixture, whitening: Whitening | None
) -> None:
    full.ask(Whiten("global", "net-1", OTHER))
    full.ask(SaveIndexes())
    full.ask(Whiten("global", "net-1", whitening))
    kill(full)
    with caplog.at_level(logging.WARNING):
        shard = late()
    assert "whitened otherwise" in caplog.text
    assert_nearest(shard, whitening)


def test_whitening_can_be_switched_off_and_on_by_configuration(late: Callable[..., Shard], full: Shard) -> None:
    full.ask(Whiten("global", "net-1", WHITENING))
    shard = late(index_configs={"global": IndexConfig(whitening=False)})
    assert_nearest(shard, None)
    shard.ask(Whiten("global", "net-1", OTHER))
    assert_nearest(shard, None)
    assert_nearest(late(), OTHER)


def test_each_version_has_its_own_whitening_and_takes_it_along(late: Callable[..., Shard], full: Shard) -> None:
    full.ask(Whiten("global", "net-1", WHITENING))
    full.ask(BeginModel(TWO, {}))
    applied(full, [fill_seen(name, TWO) for name in NAMES])
    whitening = train_whitening(seen(NAMES, TWO))
    full.ask(Whiten("global", "net-2", whitening))
    shard = late()
    assert_nearest(shard, WHITENING)
    shard.ask(SwitchModel("global", "net-2"))
    assert_nearest(shard, whitening, model=TWO)
    assert nearest(shard, NAMES[7], TWO)[0].id == NAMES[7]
    shard.ask(DropReplaced("global"))
    with inside(shard).store.read() as transaction:
        assert stored_whitening(transaction, "global") is None
        assert stored_whitening(transaction, "global@2") is not None
    assert_nearest(late(), whitening, model=TWO)


def test_a_version_is_not_dropped_while_it_is_whitened(full: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    full.ask(BeginModel(TWO, {}))
    applied(full, [fill_seen(name, TWO) for name in NAMES])
    full.ask(SwitchModel("global", "net-2"))
    dropped: list[int] = []
    dropping = threading.Thread(target=lambda: dropped.append(full.ask(DropReplaced("global"))))

    def slow(*arguments: Any) -> Any:
        dropping.start()
        dropping.join(0.05)
        assert dropped == []
        return scanned(*arguments)

    monkeypatch.setattr("storage.upkeep.rebuilding.scanned", slow)
    full.ask(Whiten("global", "net-1", WHITENING))
    dropping.join()
    assert dropped == [1]
    applied(full, [put_seen("new", TWO)])
    assert_nearest(full, None, [*NAMES, "new"], model=TWO)


@pytest.mark.parametrize(
    ("feature", "fingerprint", "whitening", "error", "message"),
    [
        ("tags", "", WHITENING, UnknownFeature, "no feature is called 'tags'"),
        ("global", "net-9", WHITENING, InvalidRequest, "no index for 'net-9'"),
        ("global", "net-1", train_whitening(embeddings(60)), InvalidRequest, "cannot be whitened so"),
        ("phash", "phash-1", WHITENING, InvalidRequest, "cannot be whitened so"),
        ("color", "color-1", None, InvalidRequest, "cannot be whitened so"),
    ],
)
def test_a_whitening_that_does_not_fit_is_refused(
    full: Shard, feature: str, fingerprint: str, whitening: Whitening | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        full.ask(Whiten(feature, fingerprint, whitening))
    assert_nearest(full, None)


def test_sampled_rows_are_of_stored_pictures_and_the_same_each_time(full: Shard) -> None:
    every = full.ask(SampleRows("global", "", 99))
    np.testing.assert_array_equal(every, seen(NAMES))
    some = full.ask(SampleRows("global", "", 20, seed=3))
    np.testing.assert_array_equal(some, full.ask(SampleRows("global", "", 20, seed=3)))
    assert len({row.tobytes() for row in some}) == len(some) == 20
    assert {row.tobytes() for row in some} <= {row.tobytes() for row in every}
    full.ask(BeginModel(TWO, {}))
    full.ask(SwitchModel("global", "net-2"))
    assert full.ask(SampleRows("global", "", 20)).shape == (0, 12)
    np.testing.assert_array_equal(full.ask(SampleRows("global", "net-1", 99)), seen(NAMES))
    with pytest.raises(InvalidRequest, match="no index for 'net-3'"):
        full.ask(SampleRows("global", "net-3", 20))
    with pytest.raises(UnknownFeature):
        full.ask(SampleRows("tags", "", 1))
