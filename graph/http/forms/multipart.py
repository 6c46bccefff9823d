"""Multipart bodies, parsed in memory: the body is bounded already, and nothing is written to disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from storage.errors import InvalidField, InvalidRequest, did_you_mean

Form = dict[str, list[bytes]]  # by field, its values in order


@dataclass(slots=True)
class _Parts:
    """Collects what the parser finds. Slices of the body are joined once, when a part ends."""

    max_parts: int
    values: list[tuple[str, bytes]] = field(default_factory=list)
    _header: bytes = b""
    _value: bytes = b""
    _name: str | None = None
    _data: list[memoryview] = field(default_factory=list)

    def begin(self) -> None:
        self._header, self._value, self._name, self._data = b"", b"", None, []
        if len(self.values) >= self.max_parts:
            raise InvalidRequest(f"the form has more than {self.max_parts} parts", "send fewer fields")

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            disposition, options = parse_options_header(self._value)
            if disposition == b"form-data" and b"name" in options:
                self._name = options[b"name"].decode(errors="replace")
        self._header, self._value = b"", b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(memoryview(data)[start:end])

    def end(self) -> None:
        if self._name is None:
            raise InvalidRequest(
                "a part of the form has no name", "each part needs 'Content-Disposition: form-data; name=...'"
            )
        self.values.append((self._name, b"".join(self._data)))


def parse_multipart(body: bytes, content_type: str, max_parts: int) -> list[tuple[str, bytes]]:
    """Names and values in order. Raises InvalidRequest for a body that is not a whole multipart form."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise InvalidRequest("the multipart Content-Type has no boundary", "let your HTTP library set the Content-Type")
    parts = _Parts(max_parts)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_field,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
            },
        )
        parser.write(body)
    except (FormParserError, UnicodeError) as error:
        raise InvalidRequest(
            f"the body is not a multipart form: {error}", "let your HTTP library build the form"
        ) from error
    if parser.state != MultipartState.END:
        raise InvalidRequest("the multipart form ends too early", "send the closing boundary")
    return parts.values


def read_form(
    body: bytes, content_type: str, max_parts: int, known: Collection[str], repeatable: Collection[str] = ()
) -> Form:
    """The form's values by field. Raises InvalidField for a field that is unknown or given twice."""
    form: Form = {}
    for name, value in parse_multipart(body, content_type, max_parts):
        if name not in known:
            raise InvalidField(f"unknown field {name!r}", did_you_mean(name, known))
        if name in form and name not in repeatable:
            raise InvalidField(f"{name}: given more than once", "send it once")
        form.setdefault(name, []).append(value)
    return form


def text_of(name: str, value: bytes) -> str:
    """Raises InvalidField for a value that is not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidField(f"{name}: not UTF-8 text", "encode the value as UTF-8") from error
