"""Writes `graph.client.asynchronous` from `graph.client.blocking`: ``python -m graph.client.generate``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BLOCKING = Path(__file__).with_name("blocking.py")
ASYNCHRONOUS = Path(__file__).with_name("asynchronous.py")
HEADER = '''"""The client for asyncio and trio.

Made from `graph.client.blocking` by ``python -m graph.client.generate``: change that file, not this one.
"""
'''
AWAITED = r"read_image|self\._send|self\._attempt|self\.page|self\.duplicate_page|self\.aclose|self\._http\.\w+"
RULES = (  # in order; ^ is the beginning of a line
    (r'\A""".*"""\n', HEADER),
    (r"Speaks with one service; safe to share between threads\.", "`graph.client.Client` with every call awaited."),
    (r"^import time\n", ""),
    (r"^( +)time\.sleep", r"\1import anyio  # here, because the shell command imports this file and never awaits\n\n"
                          r"\1await anyio.sleep"),
    (r"\bimage_bytes\b", "read_image"),
    (r"\b(Client|BaseTransport|Iterator)\b(?!` )", r"Async\1"),
    (r"__(enter|exit)__", r"__a\1__"),
    (r"\bclose\b", "aclose"),
    (r"^    def (?!__init__|__repr__|base_url)", "    async def "),
    (rf"\b({AWAITED})\(", r"await \1("),
    (r"^( +)yield from (.+)", r"\1for one in \2:\n\1    yield one"),
)  # fmt: skip


def asynchronous(blocking: str) -> str:
    """The async twin of a blocking client's source, in the project's format."""
    for pattern, replacement in RULES:
        blocking = re.sub(pattern, replacement, blocking, flags=re.MULTILINE)
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(ASYNCHRONOUS), "-"]
    return subprocess.run(ruff, input=blocking, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    ASYNCHRONOUS.write_text(asynchronous(BLOCKING.read_text("utf-8")), "utf-8")
