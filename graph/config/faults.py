"""What is wrong with settings, in our words: pydantic's first problem, with the key and the nearest known one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import get_args

from pydantic import BaseModel, ValidationError

from graph.config.api_keys import said
from storage.errors import Misconfigured, did_you_mean

Fault = Callable[[tuple[str | int, ...], str, str], Misconfigured]


def first_fault(error: ValidationError, model: type[BaseModel], fault: Fault, prefix: str = "args") -> Misconfigured:
    """The first problem that pydantic found, in our words; a misspelt key before what is missing for it."""
    problems = error.errors(include_url=False)
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    path = tuple(part for part in problem["loc"] if part != "[key]")
    where = ".".join((prefix, *(str(part) for part in path[:-1])))
    if problem["type"] == "extra_forbidden":
        return fault(path, f"unknown key {path[-1]!r} in {where}", did_you_mean(path[-1], _keys_at(model, path[:-1])))
    value = "" if "api_keys" in path else f", not {problem['input']!r}"
    return fault(path, f"{'.'.join((prefix, *map(str, path)))}: {said(problem)}{value}", "")


def _keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> Iterable[str]:
    """path: with the positions in lists."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is None:
            return ()
        model = inner
    return model.model_fields
