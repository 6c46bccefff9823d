"""Filters as text: ``folder = "2019" and width >= 1920 and not tags = "night"``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from storage.errors import InvalidField
from storage.filters.fields import FIELD_PATTERN, Places, comparison, field_text, quoted, unquoted
from storage.filters.limits import MOST_CHARACTERS, check_size
from storage.types.filters import AllOf, AnyOf, Comparison, Filter, Not, Value

EXAMPLE = 'write for example: folder = "2019" and width >= 1920'
_GRAMMAR = rf"""
?start: either
?either: both (_OR both)*
?both: negation (_AND negation)*
?negation: _NOT negation -> negated
    | "(" either ")"
    | FIELD OPERATOR value -> compared
    | FIELD IN _list -> among
    | FIELD _NOT IN _list -> not_among
    | FIELD EXISTS -> exists
_list: "[" [value ("," value)*] "]"
?value: QUOTED | BARE

_OR: /or(?![\w.])/i
_AND: /and(?![\w.])/i
_NOT.1: /not(?![\w.])/i
IN: /in(?![\w.])/i
EXISTS: /exists(?![\w.])/i
OPERATOR: /<=|>=|!=|[=<>~]/
FIELD: /{FIELD_PATTERN}/
QUOTED: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
BARE: /[^\s()\[\],"'=!<>~]+/
%ignore /\s+/
"""
_BARE = re.compile(r"""[^\s()\[\],"'=!<>~]+""")
_MEANINGS = {  # what is written as it stands is in quotes
    "FIELD": "a field",
    "_NOT": '"not"',
    "LPAR": '"("',
    "RPAR": '")"',
    "LSQB": '"["',
    "RSQB": '"]"',
    "COMMA": '","',
    "OPERATOR": "an operator",
    "IN": '"in"',
    "EXISTS": '"exists"',
    "BARE": "a value",
    "QUOTED": "a value",
    "_AND": '"and"',
    "_OR": '"or"',
    "$END": "its end",
}


def parse_filter(text: str) -> Filter:
    """Raises `InvalidField`, which says at which column, counted from 1."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidField(
            f"filter: it has {len(text)} characters, the limit is {MOST_CHARACTERS}", "ask for less at a time"
        )
    try:
        parsed: Any = _parser().parse(text)
    except UnexpectedInput as error:
        raise _refusal(text, error) from error
    return check_size(parsed)


def filter_text(filter: Filter) -> str:
    """Text that `parse_filter` turns into an equal filter."""
    match filter:
        case Comparison(op="exists"):
            return f"{field_text(filter.field, filter.key)} exists"
        case Comparison(op="in"):
            return f"{field_text(filter.field, filter.key)} in [{', '.join(map(_value_text, filter.values))}]"
        case Comparison():
            return f"{field_text(filter.field, filter.key)} {filter.op} {_value_text(filter.values[0])}"
        case Not(part):
            return f"not {_inner(part)}"
        case AllOf(parts):
            return " and ".join(map(_inner, parts))
        case AnyOf(parts):
            return " or ".join(map(_inner, parts))


def _inner(part: Filter) -> str:
    return f"({filter_text(part)})" if isinstance(part, AllOf | AnyOf) else filter_text(part)


def _value_text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if not isinstance(value, str) or _BARE.fullmatch(value) else quoted(value)


@v_args(inline=True)
class _Filters(Transformer[Token, Filter]):
    """What the parser calls for each rule as it goes, so that no tree is built or walked."""

    def either(self, *parts: Filter) -> Filter:
        return AnyOf(parts)

    def both(self, *parts: Filter) -> Filter:
        return AllOf(parts)

    def negated(self, part: Filter) -> Filter:
        return Not(part)

    def compared(self, field: Token, operator: Token, value: Token) -> Filter:
        return _comparison(field, operator, [value])

    def among(self, field: Token, operator: Token, *values: Token) -> Filter:
        return _comparison(field, operator, values)

    def not_among(self, field: Token, operator: Token, *values: Token) -> Filter:
        return Not(_comparison(field, operator, values))

    def exists(self, field: Token, operator: Token) -> Filter:
        return _comparison(field, operator, [])


def _comparison(field: Token, operator: Token, values: Sequence[Token]) -> Comparison:
    tokens = (field, operator, values[0] if values else operator)
    places = Places(*(f"filter, column {(token.start_pos or 0) + 1}" for token in tokens))
    return comparison(places, str(field), str(operator).lower(), [unquoted(str(value)) for value in values])


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Filters(), maybe_placeholders=False)


def _refusal(text: str, error: UnexpectedInput) -> InvalidField:
    if not text.strip():
        return InvalidField("filter: it is empty", EXAMPLE)
    wanted: set[str] = set()
    if isinstance(error, UnexpectedToken):
        wanted = set(error.accepts or error.expected)
    elif isinstance(error, UnexpectedCharacters):
        wanted = set(error.allowed or ())
        wanted -= {"COMMA", "RSQB", "RPAR"} if "_AND" in wanted else set()  # what any value may be followed by
    meant = list(dict.fromkeys(meaning for name, meaning in _MEANINGS.items() if name in wanted))
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    place = len(text.rstrip()) if at_end else error.pos_in_stream or 0
    found = "it ends here" if at_end else f"there is {_found(text, place, error)}"
    expected = ", ".join(meant[:-1]) + " or " + meant[-1] if len(meant) > 1 else "".join(meant)
    return InvalidField(f"filter, column {place + 1}: {found}; expected is {expected or 'its end'}", EXAMPLE)


def _found(text: str, place: int, error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedCharacters) and text[place] in "\"'":
        return "a quote that is not closed"
    token = getattr(error, "token", None)
    return repr(str(token) if token is not None else text[place])
