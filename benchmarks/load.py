"""A load generator in a process of its own: closed-loop clients, kept-alive HTTP/1.1 connections, one prebuilt request.

It parses no more than it must, so that the figure is the service's. Every answer is checked: status 200, and the right
picture first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BOUNDARY = "lookalike-benchmark-boundary"


@dataclass(frozen=True, slots=True)
class Load:
    """What to send where. first: where an answer holds its first id ("results.0.id"); expected: that id's end."""

    port: int
    path: str
    image: str
    fields: Mapping[str, str]
    first: str
    expected: str
    clients: int
    seconds: float
    warmup_s: float = 1.0
    host: str = "127.0.0.1"


@dataclass(slots=True)
class Tally:
    latencies_s: list[float] = field(default_factory=list)
    errors: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies are milliseconds. errors: another status than 200, or a broken connection. wrong: another first id."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int
    wrong: int


def measure(load: Load) -> LoadResult:
    """Runs the load in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[1])
    return LoadResult(**json.loads(done.stdout))


async def run(load: Load) -> LoadResult:
    request = multipart_request(load)
    tally = Tally()
    begin = time.perf_counter() + load.warmup_s
    end = begin + load.seconds
    await asyncio.gather(*(client(load, request, tally, begin, end) for _ in range(load.clients)))
    latencies = sorted(tally.latencies_s)
    return LoadResult(
        requests_per_s=len(latencies) / load.seconds,
        p50_ms=percentile_ms(latencies, 0.50),
        p99_ms=percentile_ms(latencies, 0.99),
        requests=len(latencies),
        errors=tally.errors,
        wrong=tally.wrong,
    )


async def client(load: Load, request: bytes, tally: Tally, begin: float, end: float) -> None:
    """Sends one request after the other; only those that both start and end within the period count."""
    reader, writer = await asyncio.open_connection(load.host, load.port)
    while (started := time.perf_counter()) < end:
        try:
            writer.write(request)
            status, body = await read_answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            tally.errors += 1
            writer.close()
            reader, writer = await asyncio.open_connection(load.host, load.port)
            continue
        finished = time.perf_counter()
        if status != 200:
            tally.errors += 1
            await asyncio.sleep(0.01)
        elif not first_id(json.loads(body), load.first).endswith(load.expected):
            tally.wrong += 1
        elif begin <= started and finished <= end:
            tally.latencies_s.append(finished - started)
    writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    status = int(lines[0].split(" ")[1])
    if "content-length" in headers:
        return status, await reader.readexactly(int(headers["content-length"]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return status, body


def first_id(answer: Any, path: str) -> str:
    """Follows "results.0.id" through lists and objects; empty where the answer has no such place."""
    for step in path.split("."):
        try:
            answer = answer[int(step) if isinstance(answer, list) else step]
        except (IndexError, KeyError, TypeError, ValueError):
            return ""
    return str(answer)


def multipart_request(load: Load) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in load.fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="query.jpg"\r\n'
    image = Path(load.image).read_bytes()
    parts += [head.encode(), b"Content-Type: image/jpeg\r\n\r\n", image, f"\r\n--{BOUNDARY}--\r\n".encode()]
    body = b"".join(parts)
    lines = [
        f"POST {load.path} HTTP/1.1",
        f"Host: {load.host}:{load.port}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def percentile_ms(ordered_s: list[float], fraction: float) -> float:
    if not ordered_s:
        return float("nan")
    return ordered_s[min(len(ordered_s) - 1, int(fraction * len(ordered_s)))] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("load", help="a JSON object with the fields of benchmarks.load.Load")
    load = Load(**json.loads(parser.parse_args().load))
    print(json.dumps(asdict(asyncio.run(run(load)))))


if __name__ == "__main__":
    main()
