"""What ``lookalike duplicates`` does with words: deciding of two pictures, listing what was decided, taking it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graph.cli.terminal import output
from storage.errors import InvalidField

if TYPE_CHECKING:
    from lookalike_client import Client, Decision
    from lookalike_client.calls import Choice

CHOICES: Mapping[str, Choice] = {"different": "different", "keep-both": "keep_both", "keep": "keep"}
SAYS: Mapping[Choice, str] = {
    "different": "{a} and {b} are different: they are in no group together",
    "keep_both": "{a} and {b} both stay: they are in no group together",
    "keep": "{a} is kept, of it and {b}",
}


def carry_out(client: Client, words: Sequence[str], note: str | None, *, as_json: bool) -> None:
    """Raises InvalidField for words that say nothing."""
    match words:
        case [("different" | "keep-both" | "keep") as word, a, b]:
            decided = client.decide(a, b, CHOICES[word], note)
            if as_json:
                output.show_json(decided)
            else:
                output.say(f"{SAYS[decided.decision].format(a=a, b=b)}; the decision is {decided.id}")
        case ["decisions"]:
            _list(client.decisions(), as_json=as_json)
        case ["take-back", decision_id]:
            client.take_back(decision_id)
            output.say(f"the decision {decision_id} is taken back")
        case _:
            raise InvalidField(
                "duplicates takes no word, or different, keep-both or keep with two ids, decisions, or take-back "
                "with the id of one",
                "see `lookalike duplicates --help`",
            )


def _list(decisions: Sequence[Decision], *, as_json: bool) -> None:
    if as_json:
        output.show_json({"decisions": decisions})
        return
    rows = [[one.id, one.decision, one.a, one.b, output.moment(one.decided_at), one.note or ""] for one in decisions]
    if rows or not output.on_terminal():
        output.show_table(["decision", "what", "a", "b", "when", "note"], rows, long=("a", "b", "note"))
    output.say(output.counted(len(decisions), "decision"))
