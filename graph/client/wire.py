"""How a field of an answer stands in JSON where its type does not say it: keys of a dataclass field's ``metadata``."""

from __future__ import annotations

from dataclasses import Field
from typing import Any

NAME = "json_name"  # where it is not that of the field
ALWAYS = "json_type"  # of a field that may be None here, and in JSON is never absent or null
LEFT_OUT = "json_left_out"  # the service leaves it out where it is empty


def json_name(field: Field[Any]) -> str:
    name: str = field.metadata.get(NAME, field.name)
    return name
