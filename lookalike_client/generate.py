"""Writes the async client from the blocking one: ``python -m lookalike_client.generate``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
MADE = {"blocking.py": "asynchronous.py", "blocking_jobs.py": "asynchronous_jobs.py"}
HEADER = '''"""{}, for asyncio and trio.

Made from `lookalike_client.{}` by ``python -m lookalike_client.generate``: change that file, not this one.
"""
'''
AWAITED = r"read_images?|self\._send|self\._attempt|self\.page|self\.duplicate_page|self\.aclose|self\._http\.\w+"
RULES = (  # in order; ^ is the beginning of a line
    (r"\bblocking_jobs\b", "asynchronous_jobs"),
    (r"Speaks with one service; safe to share between threads\.", "`lookalike_client.Client` with every call awaited."),
    (r"^import time\n", ""),
    (r"^( +)time\.sleep", r"\1import anyio  # here, because the shell command imports this file and never awaits\n\n"
                          r"\1await anyio.sleep"),
    (r"\bimage(s?)_bytes\b", r"read_image\1"),
    (r"\b(Client|JobClient|BaseTransport|Iterator)\b(?!` )", r"Async\1"),
    (r"__(enter|exit)__", r"__a\1__"),
    (r"\bclose\b", "aclose"),
    (r"^    def (?!__init__|__repr__|base_url|within)", "    async def "),
    (rf"\b({AWAITED})\(", r"await \1("),
    (r"^( +)yield from (.+)", r"\1for one in \2:\n\1    yield one"),
)  # fmt: skip


def asynchronous(file: str) -> str:
    """The async twin of one of the files of ``MADE``, in the project's format."""
    source = (FOLDER / file).read_text("utf-8")
    title, _, rest = source.removeprefix('"""').partition('."""\n')
    for pattern, replacement in RULES:
        rest = re.sub(pattern, replacement, rest, flags=re.MULTILINE)
    made = HEADER.format(title.removesuffix(" for ordinary code"), file.removesuffix(".py")) + rest
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(FOLDER / MADE[file]), "-"]
    return subprocess.run(ruff, input=made, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    for blocking, twin in MADE.items():
        (FOLDER / twin).write_text(asynchronous(blocking), "utf-8")
