"""What a stored picture is to a query: one relation, how sure it is, and how the picture lies in the query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from graph.judging.change import Change, change_of
from graph.judging.colors import colors_differ
from graph.judging.evidence import Placed
from graph.judging.hypotheses import Hypothesis, Picture, hypotheses
from graph.judging.placement import overlap_of, stretch_of, transform_of
from graph.judging.probability import Calibration, Odds, calibration
from lookalike_client.matches import PROVEN, Overlap, Relation, Transform

WHOLE = 0.9  # of a picture's area: what counts as all of it
MOST_STRETCH = 1.06  # of a side beside the other: sizes of small pictures are rounded
SQUARE_DEG = 2.0  # from a quarter turn: farther, and corners were filled in
LEAST_CONFIDENCE = 0.1  # of a strong relation, below which nothing is said
SETTLED = 0.99  # that it is one photograph
LEAST_SCENE = 0.5  # of a scene
MOST_CONFIDENCE = 0.9999  # of what is judged: only equal bytes are certain
SCENE_AGREES = 0.35  # of the blocks, at least, in two shots of one scene


@dataclass(frozen=True, slots=True)
class Judgement:
    """relation: a strong one, or scene. evidence: by name. change: what differs; None where nothing was compared.
    is_known: false where the confidence hangs on a part that did not answer.
    """

    relation: Relation
    confidence: float
    transform: Transform | None
    overlap: Overlap | None
    evidence: Mapping[str, float]
    change: Change | None = None
    is_known: bool = True


SAME_BYTES = Judgement("same", 1.0, Transform(False, 0.0, 1.0), Overlap(1.0, 1.0), {"same_bytes": 1.0})


def judge(
    query: Picture,
    stored: Picture,
    *,
    placed: Placed | None,
    further: Mapping[str, float],
    silent: Set[str] = frozenset(),
) -> Judgement | None:
    """None where there is nothing that speaks for one photograph or one scene.

    placed: where keypoints put the stored picture. further: evidence of the hash, and whether keypoints
    were looked for. silent: names of evidence that there might have been, from a part that did not answer. A confidence
    is then the least that it could be, and not known where that is too little to say anything.
    """
    constants = calibration()
    found = _until_settled(constants.strong, hypotheses(query, stored, placed, further))
    if not found:
        return None
    probability, best = _likeliest(constants.strong, found)
    agreeing = [one for one in found if one.evidence["agreeing"] >= SCENE_AGREES]
    if agreeing:
        scene, seen = _likeliest(constants.scene, agreeing)
        if scene * (1 - probability) >= LEAST_SCENE:
            least = _scene_at_least(constants, seen, best, silent) if silent else scene * (1 - probability)
            laid = _laid(query, stored, seen, least)
            return replace(laid, relation="scene", is_known=least >= LEAST_SCENE)
    least = constants.strong.bounds(best.evidence, silent)[0] if silent else probability
    if least < probability:
        laid = _laid(query, stored, best, least)
        return replace(laid, is_known=least >= PROVEN) if probability >= PROVEN else None
    return _laid(query, stored, best, probability) if probability >= LEAST_CONFIDENCE else None


def _until_settled(odds: Odds, ways: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Those that tell something, up to one that needs no other beside it."""
    found = []
    for way in ways:
        if way.is_telling:
            found.append(way)
            if odds.probability(way.evidence) >= SETTLED:
                break
    return found


def _likeliest(odds: Odds, found: Sequence[Hypothesis]) -> tuple[float, Hypothesis]:
    return max(((odds.probability(one.evidence), one) for one in found), key=lambda entry: entry[0])


def _scene_at_least(constants: Calibration, seen: Hypothesis, best: Hypothesis, silent: Set[str]) -> float:
    least, _ = constants.scene.bounds(seen.evidence, silent)
    _, most = constants.strong.bounds(best.evidence, silent)
    return least * (1 - most)


def _laid(query: Picture, stored: Picture, found: Hypothesis, probability: float) -> Judgement:
    overlap = overlap_of(found.homography, stored.size, query.size)
    transform = transform_of(found.homography, stored.size)
    change = None if found.compared is None else change_of(found.compared)
    relation = _relation(overlap, transform, change)
    if relation == "same" and change is not None and (says := _unseen_in_gray(query, stored, found, transform)):
        relation, change = "edited", replace(change, says=says)
    confidence = min(round(probability, 4), MOST_CONFIDENCE)
    return Judgement(relation, confidence, transform, overlap, found.evidence, change)


def _relation(overlap: Overlap, transform: Transform, change: Change | None) -> Relation:
    if overlap.of_stored < WHOLE and overlap.of_query < WHOLE:
        return "overlap"
    if overlap.of_stored < WHOLE:
        return "crop"
    if overlap.of_query < WHOLE:
        return "contains"
    off_square = abs((transform.rotation_deg + 45) % 90 - 45)
    is_changed = change is None or change.is_visible or off_square > SQUARE_DEG
    return "edited" if is_changed else "same"


def _unseen_in_gray(query: Picture, stored: Picture, found: Hypothesis, transform: Transform) -> tuple[str, ...]:
    """What else a person would call a change, where blocks lie over each other and agree."""
    if stretch_of(found.homography, stored.size) > MOST_STRETCH:
        return ("it is stretched",)
    if query.chroma is not None and stored.chroma is not None and colors_differ(query.chroma, stored.chroma, transform):
        return ("colours differ",)
    return ()
