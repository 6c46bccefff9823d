"""The exception tree of Lookalike, which the client owns, and what errors say of unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lookalike_client.errors import *  # noqa: F403


def did_you_mean(name: object, known: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """The remedy for a name that is not among the known ones. elsewhere: names that may be meant, but are not offered
    where none is near.
    """
    choices = sorted(known)
    nearest = difflib.get_close_matches(str(name), [*choices, *elsewhere], n=1, cutoff=0.5)
    return f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(choices) or 'none'}"
