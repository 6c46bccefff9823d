"""A benchmark's result as text: what ran where, and the figures; printed as it grows, and kept in a file."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("ray", "fastapi", "uvicorn", "numpy", "faiss-cpu", "faiss-gpu", "pillow", "pillow-simd", "simplejpeg")


class Report:
    """Lines of text under a heading with the machine's facts."""

    def __init__(self, name: str, title: str, results: Path = RESULTS) -> None:
        self.path = results / f"{name}.txt"
        self._lines: list[str] = []
        self.line(title)
        self.line("=" * len(title))
        for fact in machine_facts():
            self.line(fact)

    def line(self, text: str = "") -> None:
        print(text, flush=True)
        self._lines.append(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Columns as wide as their widest cell; the first one to the left, the others to the right."""
        cells = [list(header), *([cell(value) for value in row] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        self.line()
        for position, row in enumerate(cells):
            padded = [
                row[0].ljust(widths[0]),
                *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)),
            ]
            self.line("  ".join(padded).rstrip())
            if position == 0:
                self.line("  ".join("-" * width for width in widths))

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join(self._lines) + "\n", encoding="utf-8")
        print(f"\nkept in {self.path}")


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def machine_facts() -> list[str]:
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return [
        f"date       {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"processor  {_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores; load before: {load}",
        f"memory     {_gibibytes(_field('/proc/meminfo', 'MemTotal'))}",
        f"system     {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"packages   {', '.join(_installed_packages())}",
    ]


def _installed_packages() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _gibibytes(kibibytes: str) -> str:
    number = kibibytes.partition(" ")[0]
    return f"{int(number) / 2**20:.0f} GiB" if number.isdigit() else kibibytes
