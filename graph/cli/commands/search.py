"""``lookalike search``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from graph.cli.terminal import options, output
from graph.cli.terminal.connection import DEFAULT_SERVER, ApiKey, Json, Server, connect
from graph.cli.terminal.filters import with_real_paths
from graph.cli.terminal.judging import how_text, relation_text, verdict_text
from graph.cli.terminal.placement import placement, sentence
from graph.cli.terminal.reporting import warn
from storage.errors import InvalidField

if TYPE_CHECKING:
    from lookalike_client import SearchAnswer, SearchResult
    from lookalike_client.matches import Relevance

AS_GIVEN = "as_given"  # the view of a query that is neither mirrored nor turned
MOST_SENTENCES = 5
MOST_WORDS = 4
MOST_TAGS = 3

Images = Annotated[
    list[Path] | None,
    typer.Argument(metavar="IMAGE...", exists=True, dir_okay=False, help="Picture to search with, or several."),
]
CombineOption = Annotated[
    Literal["mean", "all"],
    typer.Option("--combine", help="Of several pictures: near to all of them together, or near to each."),
]
Text = Annotated[str | None, typer.Option("--text", metavar="TEXT", help="Sentence to search with.")]
TextNot = Annotated[
    list[str] | None,
    typer.Option("--text-not", metavar="TEXT", help="Sentence to keep away from; may be given several times."),
]
StoredIds = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="ID", help="Stored picture to search with; may be given several times."),
]
Count = Annotated[int, typer.Option("-k", min=1, metavar="N", help="How many results.")]
Features = Annotated[
    list[str] | None,
    typer.Option("--features", metavar="NAMES", help="Features to ask, as in phash,local; otherwise all."),
]
Weights = Annotated[
    list[str] | None,
    typer.Option("--weights", metavar="NAME=N", help="How much each feature counts, as in phash=2,color=1."),
]
MaxDistance = Annotated[
    list[str] | None,
    typer.Option("--max-distance", metavar="NAME=N", help="Leave out what is farther, as in phash=64."),
]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter", metavar="FILTER", help="Which pictures may be found, as in 'folder = \"2019\" and width >= 1920'."
    ),
]
RelevanceOption = Annotated[
    Literal["strong", "likely", "all"],
    typer.Option("--relevance", help="strong: what is proven alone; likely: also what is similar; all: the best N."),
]
All = Annotated[bool, typer.Option("--all", help="The best N, whatever they are: --relevance all.")]
Distinct = Annotated[bool, typer.Option("--distinct", help="Of pictures that are the same only the best.")]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME.KEY=VALUE", help="A feature's own setting, as in phash.orientations=all."),
]


def search(
    context: typer.Context,
    images: Images = None,
    text: Text = None,
    text_not: TextNot = None,
    id: StoredIds = None,
    combine: CombineOption = "mean",
    k: Count = 10,
    features: Features = None,
    weights: Weights = None,
    max_distance: MaxDistance = None,
    param: Params = None,
    filter: Filter = None,
    distinct: Distinct = False,
    relevance: RelevanceOption = "likely",
    everything: All = False,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = None,
) -> None:
    """Find pictures like an IMAGE, a stored one (--id), or what a sentence says (--text)."""
    relevance = "all" if everything else relevance
    if not images and text is None and not id:
        raise InvalidField("search needs an IMAGE, --id or --text", "try: lookalike search photo.jpg")
    with connect(context, server, api_key) as client:
        answer = client.search(
            images,
            id=id,
            combine=combine,
            text=text,
            text_not=text_not,
            k=k,
            features=options.names(features),
            weights=options.numbers("--weights", weights),
            max_distance=options.numbers("--max-distance", max_distance),
            params=options.parameters(param or []),
            filter=with_real_paths(filter, server),
            distinct=distinct,
            relevance=relevance,
        )
    if as_json:
        output.show_json(answer)
    else:
        _say_verdict(answer, relevance, by_words=not images and not id)
        _show(answer)
    _warn_of_cuts(answer)
    if answer.partial:
        _warn_of_missing(answer)


def _say_verdict(answer: SearchAnswer, relevance: Relevance, *, by_words: bool) -> None:
    """Above the table, for people; a program that was given nothing is told why on stderr."""
    said = verdict_text(answer, relevance, by_words=by_words)
    if said and output.on_terminal():
        output.say("; ".join(said))
    elif said and not answer.results:
        warn(*said)


def _show(answer: SearchAnswer) -> None:
    if not answer.results and output.on_terminal():
        return
    found = {name for result in answer.results for name in result.matches}
    columns = [name for name, part in answer.features.items() if name in found or part.status == "ok"]
    judged = _judgement_headings(answer.results)
    headings = ["rank ", "id", *judged, "score ", *(f"{name} " for name in columns), "size "]
    rows = [_row(rank, result, judged, columns) for rank, result in enumerate(answer.results, start=1)]
    said = [result.caption or output.tags_text(result.tags[:MOST_TAGS]) for result in answer.results]
    if any(said):
        headings.append("shows")
        rows = [[*row, words] for row, words in zip(rows, said, strict=True)]
    output.show_table_with_paths(
        headings, rows, [result.path for result in answer.results], long=("id", "how", "shows")
    )
    _say_where(answer.results)


def _row(rank: int, result: SearchResult, judged: list[str], columns: list[str]) -> list[str]:
    said = [_judgement(result)[heading] for heading in judged]
    distances = [_evidence(result.matches.get(name), lies=result.transform is not None) for name in columns]
    return [str(rank), result.id, *said, f"{result.score:.4f}", *distances, f"{result.width}x{result.height}"]


def _judgement_headings(results: Sequence[SearchResult]) -> list[str]:
    """For people "edited 98 %" and how it lies, where there is any; for programs the confidence has a column."""
    if not output.on_terminal():
        return ["relation", "confidence ", "how"]
    return [heading for heading in ("relation", "how") if any(_judgement(result)[heading] for result in results)]


def _judgement(result: SearchResult) -> dict[str, str]:
    relation = relation_text(result) if output.on_terminal() else result.relation or ""
    confidence = "" if result.confidence is None else f"{result.confidence:.4f}"
    return {"relation": relation, "confidence ": confidence, "how": how_text(result)}


def _evidence(match: Mapping[str, Any] | None, *, lies: bool) -> str:
    """The distance or the number of inliers, for people with the view or the words that matched; empty for a picture
    not found. lies: whether it is said already how the picture lies.
    """
    if match is None:
        return ""
    distance = output.figure(match["distance"] if "distance" in match else match.get("inliers", ""))
    words = list(dict.fromkeys(word["word"] for word in match.get("words", ())))
    if words and output.on_terminal():
        return f"{distance} {' '.join(words[:MOST_WORDS])}"
    view = match.get("view", AS_GIVEN)
    return f"{distance} {view}" if view != AS_GIVEN and output.on_terminal() and not lies else distance


def _say_where(results: Sequence[SearchResult]) -> None:
    """Below the table, for the first proven ones that lie somewhere: which part of the stored picture the query is."""
    said = [
        sentence(result.id, found, is_edited=result.relation == "edited")
        for result in results
        if result.is_strong
        for match in result.matches.values()
        if (found := placement(match, result.width, result.height))
    ]
    for line in ["", *said[:MOST_SENTENCES]] if said else []:
        output.say(line)


def _warn_of_cuts(answer: SearchAnswer) -> None:
    """A feature that has answered, though not to all that was asked: a sentence was too long for it, say."""
    for name, part in answer.features.items():
        if part.status == "ok" and part.reason:
            warn(f"{name}: {part.reason}")


def _warn_of_missing(answer: SearchAnswer) -> None:
    # A feature that found no match has answered, and so has one that waits for its own picture to be filled in.
    silent = [
        f"{name} is {part.status}" + (f" ({part.reason})" if part.reason else "")
        for name, part in answer.features.items()
        if part.status not in {"ok", "no_match", "not_needed"}
    ]
    silent += [f"shard {shard} did not answer" for shard in answer.missing_shards]
    warn(f"this answer is not complete: {', '.join(silent)}", "see `lookalike status`")
