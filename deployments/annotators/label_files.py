"""Lists of labels: text files with one a line, ours or the user's."""

from __future__ import annotations

from pathlib import Path

from storage.errors import ExtractorUnavailable

OUR_LABELS = "default"
OUR_FILE = Path(__file__).parent / "labels" / "scenes_and_objects.txt"
MOST_LABELS = 100_000


def read_labels(name: str) -> tuple[str, ...]:
    """The labels of a file, or ours for "default", each once; lines that begin with ``#`` are comments.

    Raises `ExtractorUnavailable` for a file that is missing, no text, or without labels.
    """
    path = labels_path(name)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        hint = "name a text file with one label a line, or write labels: default"
        raise ExtractorUnavailable(f"the labels {str(path)!r} cannot be read: {error}", hint) from error
    stripped = (line.strip() for line in lines)
    labels = tuple(dict.fromkeys(label for label in stripped if label and not label.startswith("#")))
    if not 1 <= len(labels) <= MOST_LABELS:
        raise ExtractorUnavailable(f"{str(path)!r} has {len(labels)} labels", f"list 1 to {MOST_LABELS}, one a line")
    return labels


def labels_path(name: str) -> Path:
    """The file that ``labels`` in a configuration means, ``~`` expanded."""
    return OUR_FILE if name == OUR_LABELS else Path(name).expanduser()
