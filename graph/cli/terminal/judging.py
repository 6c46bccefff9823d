"""What one picture is to another, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.cli.terminal.placement import LEAST_TURN

if TYPE_CHECKING:
    from lookalike_client import SearchAnswer, SearchResult, Transform
    from lookalike_client.matches import Relevance


def confidence_text(confidence: float | None) -> str:
    """0.984 -> "98 %"; only what is certain has 100."""
    if confidence is None:
        return ""
    return f"{min(round(100 * confidence), 100 if confidence == 1 else 99)} %"


def is_unsure(result: SearchResult) -> bool:
    """Whether it is a strong relation, or a scene, that hangs on a part of the service that did not answer."""
    return result.relation not in (None, "similar") and result.confidence is None


def relation_text(result: SearchResult) -> str:
    """As in "edited 98 %" and "edited, perhaps"; empty where nothing stands out."""
    if is_unsure(result):
        return f"{result.relation}, perhaps"
    return " ".join(filter(None, [result.relation, confidence_text(result.confidence)]))


def confidence_figure(confidence: float) -> str:
    """0.98432 -> "0.984"; only what is certain is 1."""
    return "above 0.999" if 0.999 < confidence < 1 else f"{round(confidence, 3):g}"


def lie_text(transform: Transform | None) -> str:
    """How the query lies beside the stored picture: "mirrored, turned 90°"; empty where it lies alike."""
    if transform is None:
        return ""
    degrees = round(transform.rotation_deg % 360)
    turned = LEAST_TURN <= degrees <= 360 - LEAST_TURN
    words = ["mirrored"] * transform.mirrored + [f"turned {degrees}°"] * turned
    return ", ".join(words)


def how_text(result: SearchResult) -> str:
    """What there is to say beside the relation: how it lies; of ``similar``, by which features it is."""
    return ", ".join(result.because) if result.relation == "similar" else lie_text(result.transform)


def verdict_text(answer: SearchAnswer, relevance: Relevance, *, by_words: bool) -> list[str]:
    """What an answer comes to, and how to see more of it; nothing where the results speak for themselves. by_words:
    whether there was no picture to search with, so that nothing can be the same one.
    """
    if answer.verdict == "match" or (by_words and answer.results):
        return []
    if any(map(is_unsure, answer.results)):
        return ["perhaps a match: how sure that is hangs on a part of the service that did not answer"]
    among = "in what answered" if answer.partial else "in the collection"
    if answer.verdict == "none":
        said = f"no match: nothing {among} stands out"
        return [said] if relevance == "all" else [said, "see the nearest all the same with --all"]
    said = f"no match: nothing {among} is the same picture"
    return (
        [said, "see what is similar with --relevance likely"] if relevance == "strong" else [said, "some are similar"]
    )
