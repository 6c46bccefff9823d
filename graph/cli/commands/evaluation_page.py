"""One page about an evaluation, with the answers that were not right as pictures. It needs nothing beside itself.

Edits are not kept: they are made once more of the original, as the job made them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from deployments.pictures.images import decode
from deployments.pictures.prepared import thumbnail
from graph.cli.terminal.evaluating import (
    calibration_rows,
    edit_rows,
    feature_rows,
    features_of,
    remarks,
)
from graph.cli.terminal.judging import confidence_text
from graph.jobs.evaluating.edits import EDITS, edited, key_of
from storage.errors import LookalikeError

if TYPE_CHECKING:
    from lookalike_client import Client, Job

EDIT_OF_KEY = {key_of(name): name for name in EDITS}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1e21; --pale: #666d75; --line: #d9dde1; --card: #f5f6f7 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181b; --ink: #e6e8ea; --pale: #9aa1a9; --line: #33383e; --card: #1f2226 }
}
body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
       max-width: 64rem; padding: 1rem 1.25rem 3rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: right; white-space: nowrap }
th:first-child, td:first-child { padding-left: 0; text-align: left }
th { color: var(--pale); font-weight: 600 }
ul.failures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); list-style: none;
              padding: 0 }
.failures li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem }
.failures p { margin: .25rem 0; overflow-wrap: anywhere }
.pictures { display: flex; gap: .5rem }
figure { flex: 1 1 0; margin: 0; min-width: 0 }
figure img, .gone { aspect-ratio: 1; background: var(--ground); border-radius: .25rem; width: 100% }
figure img { object-fit: contain }
.gone { align-items: center; color: var(--pale); display: flex; justify-content: center }
figcaption, .pale { color: var(--pale); font-size: .85rem; overflow-wrap: anywhere }
"""

Thumbnail = bytes | None  # JPEG; None where there is none


def evaluation_page(job: Job, client: Client) -> str:
    """HTML. job: an evaluation with a report."""
    report = job.report
    pictures = _Pictures(client, int(job.arguments.get("seed", 0)))
    where = job.arguments.get("path") or "the collection"
    parts = [
        f"<h1>How well photos are found</h1><p class='pale'>Photos of {escape(str(where))}, seed "
        f"{escape(str(job.arguments.get('seed')))}, {escape(job.submitted_at.isoformat(timespec='minutes'))}</p>",
        *(f"<p>{escape(line)}</p>" for line in remarks(report)),
        "<h2>Edits</h2><p class='pale'>Of each edit, how often the photo was the first result, how often its relation "
        "was right, and how often each feature alone had it first.</p>",
        _table(["edit", "n", "first", "relation right", *features_of(report)], edit_rows(report)),
        "<h2>Features</h2>",
        _table(["searched by", "first", "p50 ms", "p95 ms"], feature_rows(report)),
        "<h2>Confidence</h2><p class='pale'>How often a strong relation was right, by the confidence it came with.</p>",
        _table(["confidence", "results", "right"], calibration_rows(report)),
        _failures(report, pictures),
        _copies(report, pictures),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'><title>How well photos are found</title>"
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _failures(report: Mapping[str, Any], pictures: _Pictures) -> str:
    if not report["failures"]:
        return "<h2>Failures</h2><p>None.</p>"
    more = f"<p>... and {report['failures_left_out']} more.</p>" if report["failures_left_out"] else ""
    return f"<h2>Failures</h2>{_listed(report['failures'], pictures)}{more}"


def _copies(report: Mapping[str, Any], pictures: _Pictures) -> str:
    if not report["copies"]:
        return ""
    return (
        "<h2>Taken for copies</h2><p class='pale'>Photos left out of which the collection has a copy, as far as their "
        "files tell. These do not count as failures: look whether they are copies.</p>"
        f"{_listed(report['copies'], pictures)}"
    )


def _listed(failures: Sequence[Mapping[str, Any]], pictures: _Pictures) -> str:
    return f"<ul class='failures'>{''.join(f'<li>{_failure(one, pictures)}</li>' for one in failures)}</ul>"


def _failure(failure: Mapping[str, Any], pictures: _Pictures) -> str:
    of = failure["id"] or failure["path"] or ""
    edit = EDIT_OF_KEY.get(failure["edit"] or "", failure["edit"])
    asked = f"asked: {edit}" if edit else "asked, itself left out"
    shown = [_figure(pictures.query(failure), asked)]
    if failure["found"] is not None and failure["found"] != failure["id"]:
        shown.append(_figure(pictures.stored(failure["found"]), f"found: {failure['found']}"))
    if edit and failure["id"]:
        shown.append(_figure(pictures.stored(failure["id"]), f"expected: {failure['id']}"))
    said = failure["relation"] or "no relation"
    sure = f" {confidence_text(failure['confidence'])}" if failure["confidence"] is not None else ""
    right = f"; right: {' or '.join(failure['expected'])}" if failure["expected"] else ""
    words = f"said of {failure['found']}: {said}{sure}" if failure["found"] is not None else "nothing was found"
    return (
        f"<p><b>{escape(failure['why'])}</b> <span class='pale'>{escape(of)}</span></p>"
        f"<div class='pictures'>{''.join(shown)}</div><p class='pale'>{escape(words)}{escape(right)}</p>"
    )


def _figure(picture: Thumbnail, caption: str) -> str:
    shown = (
        "<div class='gone'>not at hand</div>"
        if not picture
        else f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(picture).decode()}'>"
    )
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


class _Pictures:
    """As small JPEGs: stored pictures, and what was asked with. One that cannot be had is None."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._seed = seed
        self.stored: Callable[[str], Thumbnail] = cache(self._stored)

    def query(self, failure: Mapping[str, Any]) -> Thumbnail:
        image_id, path = failure["id"], failure["path"]
        try:
            if failure["edit"] is not None:
                picture = Image.fromarray(decode(self._client.original(image_id)).pixels)
                copy = edited(picture, EDIT_OF_KEY[failure["edit"]], self._seed, image_id)
                return thumbnail(decode(copy.encoded()))
            return self.stored(image_id) if image_id is not None else thumbnail(decode(Path(path).read_bytes()))
        except (LookalikeError, OSError):
            return None

    def _stored(self, image_id: str) -> Thumbnail:
        try:
            return self._client.thumbnail(image_id)
        except LookalikeError:
            return None
