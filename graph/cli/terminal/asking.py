"""Asking before something is removed or moved."""

from __future__ import annotations

import sys

import typer

from storage.errors import InvalidField


def agreed(what: str, option: str) -> bool:
    """Whether a person says yes to what the option would do, as in "remove 2 pictures". Raises `InvalidField` where
    nobody is there to answer: on a pipe it takes ``--yes``.
    """
    if not sys.stdin.isatty():
        raise InvalidField(f"{option} would {what}, and nobody is here to answer", "add --yes")
    return typer.confirm(f"{what[0].upper()}{what[1:]}?", err=True)
