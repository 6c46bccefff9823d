"""Logistic regression on tables: each piece of evidence adds to the logarithm of the odds what its table says, a line
of straight pieces that may only rise, or only fall, as reason demands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.model_selection import GroupKFold

from benchmarks.judgement_pairs import Told
from graph.judging.evidence import Evidence

Floats = NDArray[np.float64]
RISES, FALLS, EITHER = 1, -1, 0
STRENGTH = 0.0005  # of the penalty on large constants
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a table has its points, and which way it goes."""

    direction: int
    at: tuple[float, ...]


SHAPES: Mapping[str, Shape] = {
    "unplaced": Shape(FALLS, (0, 1)),
    "inliers": Shape(RISES, (2.08, 2.5, 3, 3.5, 4, 4.6, 5.2)),
    "inlier_share": Shape(RISES, (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)),
    "error": Shape(FALLS, (0.1, 0.3, 0.5, 0.75, 1, 1.3, 1.7, 2.2, 3)),
    "bend": Shape(FALLS, (-0.5, 0, 0.5, 1, 1.5, 2, 2.5)),
    "skew": Shape(FALLS, (-9.2, -7, -5.5, -4.5, -3.5, -2.5)),
    "blocks": Shape(RISES, (1.1, 2, 2.7, 3.2, 3.7, 4.4, 5.2)),
    "flat": Shape(FALLS, (0, 0.2, 0.4, 0.6, 0.8, 0.95)),
    "median": Shape(RISES, (0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.97)),
    "tenth": Shape(RISES, (-0.2, 0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.93)),
    "quarter": Shape(RISES, (-0.1, 0.1, 0.3, 0.5, 0.7, 0.85, 0.93)),
    "agreeing": Shape(RISES, (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
    "close": Shape(RISES, (0, 0.1, 0.3, 0.5, 0.7, 0.85, 1)),
    "brightness": Shape(FALLS, (1, 3, 6, 10, 15, 25, 50)),
    "moved": Shape(FALLS, (0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.3)),
    "page_parts": Shape(FALLS, (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)),
    "page_blocks": Shape(FALLS, (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)),
    "agreement": Shape(RISES, (0.62, 0.7, 0.78, 0.85, 0.9, 0.95, 0.98)),
    "shift": Shape(FALLS, (0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6)),
    "most_shift": Shape(FALLS, (0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.1)),
    "focus": Shape(FALLS, (0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45)),
    "surprise": Shape(RISES, (0, 2, 4, 6, 8, 12, 16)),
}
OF_A_COPY = (
    "error",
    "bend",
    "skew",
    "shift",
    "most_shift",
    "focus",
    "moved",
)  # which say nothing for or against one scene
SCENE_SHAPES: Mapping[str, Shape] = {
    name: Shape(EITHER, shape.at) if name in OF_A_COPY else shape for name, shape in SHAPES.items()
}


def fitted(evidence: Sequence[Evidence], truth: Sequence[bool], weights: Floats, *, scene: bool = False) -> object:
    """Constants as ``calibration.json`` has them. Each table adds 0 to pairs that are none, on average, so that what it
    adds is what it says for or against.
    """
    shapes = SCENE_SHAPES if scene else SHAPES
    constants = _constants(shapes, evidence, truth, weights)
    apart = ~np.asarray(truth, np.bool_)
    usual = np.average(_columns(shapes, evidence)[apart] * constants, axis=0, weights=weights[apart])
    return _named(shapes, constants, usual)


def _named(shapes: Mapping[str, Shape], constants: Floats, usual: Floats) -> Mapping[str, object]:
    """usual: what each column adds to pairs that are none."""
    tables, first, start = {}, 0, constants[-1]
    for name, shape in shapes.items():
        own = slice(first, first + len(shape.at))
        first, zero = own.stop, usual[own].sum()
        *steps, unknown = constants[own]
        adds = np.array([0.0, *np.cumsum(steps)]) - zero
        start += zero
        tables[name] = {
            "at": list(shape.at),
            "adds": [round(float(value), 4) for value in adds],
            "unknown": round(float(unknown - zero), 4),
        }
    return {"start": round(float(start), 4), "tables": tables}


def _columns(shapes: Mapping[str, Shape], evidence: Sequence[Evidence]) -> Floats:
    parts = []
    for name, shape in shapes.items():
        values = np.array([one.get(name, np.nan) for one in evidence])
        at = np.array(shape.at)
        passed = np.clip((values[:, None] - at[None, :-1]) / np.diff(at), 0, 1)
        unknown = np.isnan(values)
        parts += [np.where(unknown[:, None], 0, passed), unknown[:, None].astype(np.float64)]
    return np.concatenate([*parts, np.ones((len(evidence), 1))], axis=1)


def _constants(
    shapes: Mapping[str, Shape], evidence: Sequence[Evidence], truth: Sequence[bool], weights: Floats
) -> Floats:
    columns, right = _columns(shapes, evidence), np.asarray(truth, np.float64)
    share = weights / weights.sum()
    free: tuple[float | None, float | None] = (None, None)
    allowed = {RISES: (0.0, None), FALLS: (None, 0.0), EITHER: free}
    bounds = [bound for shape in shapes.values() for bound in [*[allowed[shape.direction]] * (len(shape.at) - 1), free]]

    def loss(constants: Floats) -> tuple[float, Floats]:
        odds = columns @ constants
        missed = np.logaddexp(0, np.where(right == 1, -odds, odds))
        slope = columns.T @ (share * (1 / (1 + np.exp(-odds)) - right))
        penalty = STRENGTH / 100 * constants
        penalty[-1] = 0
        return float(share @ missed + 0.5 * penalty @ constants), slope + penalty

    found = minimize(
        loss, np.zeros(columns.shape[1]), jac=True, method="L-BFGS-B", bounds=[*bounds, free],
        options={"maxiter": 800},
    )  # fmt: skip
    return np.asarray(found.x, np.float64)


def report(rows: Sequence[Told]) -> Iterator[str]:
    """How constants that were fitted on four fifths of the groups do on the last one, in lines."""
    evidence = [row.evidence for row in rows]
    truth = np.array([row.is_one_photograph for row in rows])
    weights = np.array([row.weight for row in rows])
    groups = np.unique([row.group for row in rows], return_inverse=True)[1]
    said = np.zeros(len(rows))
    for others, own in GroupKFold(FOLDS).split(evidence, truth, groups):
        constants = _constants(SHAPES, [evidence[at] for at in others], truth[others].tolist(), weights[others])
        said[own] = 1 / (1 + np.exp(-_columns(SHAPES, [evidence[at] for at in own]) @ constants))
    yield f"{truth.sum()} pairs of one photograph, {len(rows) - truth.sum()} others; of groups that were not fitted on:"
    yield _counted("called one photograph, wrongly, at 0.5", rows, ~truth & (said >= 0.5), ~truth)
    yield _counted("called one photograph, wrongly, at 0.9", rows, ~truth & (said >= 0.9), ~truth)
    yield _counted("not called one photograph, wrongly", rows, truth & (said < 0.5), truth)
    for low in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98):
        inside = (said >= low) & (said < low + 0.1)
        if inside.any():
            yield f"said {said[inside].mean():.3f}, right {truth[inside].mean():.3f} of {inside.sum()}"


def _counted(what: str, rows: Sequence[Told], wrong: NDArray[np.bool_], of: NDArray[np.bool_]) -> str:
    kinds = Counter(row.kind for row, is_wrong in zip(rows, wrong.tolist(), strict=True) if is_wrong)
    each = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common(8))
    return f"{what}: {wrong.sum()} of {of.sum()} ({each})"
