"""Our service as a benchmark runs it: ``lookalike serve`` on a free port, its processes found and their memory read."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "local.yaml"
EXTRACTORS: Mapping[str, Mapping[str, Any]] = {"phash": {}, "color": {}}
MARK = "LOOKALIKE_BENCHMARK"  # inherited by every process of the service, so that all of them can be found again


@dataclass(frozen=True, slots=True)
class RunningService:
    """start_s: from the command to the first 200 of the path that says it can answer. start_cpu_s: of all its processes
    until then.
    """

    base_url: str
    port: int
    start_s: float
    start_cpu_s: float
    mark: str
    log: Path

    def memory(self) -> Memory:
        return memory_of(marked_processes(self.mark))


@dataclass(frozen=True, slots=True)
class Memory:
    """Mebibytes. rss counts shared pages in every process, pss shares them out: pss is what the machine has less."""

    processes: int
    rss: float
    pss: float


@contextmanager
def lookalike_service(data: Path, extractors: Mapping[str, Mapping[str, Any]] = EXTRACTORS) -> Iterator[RunningService]:
    """With these extractors alone: what is measured is the way that pictures take, beside the same work without it."""
    port = free_port()
    config = data.with_suffix(".yaml")
    document = yaml.safe_load(CONFIG.read_text("utf-8"))
    [application] = document["applications"]
    application["args"]["extractors"] = {name: dict(options) for name, options in extractors.items()}
    application["deployments"] = [one for one in application["deployments"] if one["name"] in ("router", *extractors)]
    config.write_text(yaml.safe_dump(document), "utf-8")
    command = [lookalike(), "serve", str(config), "--data", str(data), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, port, "/readyz", data.with_suffix(".log"), timeout_s=300) as service:
        yield service


@contextmanager
def running(command: Sequence[str], port: int, ready: str, log: Path, timeout_s: float) -> Iterator[RunningService]:
    """Starts a server, waits until ``ready`` answers 200, and stops it and all its processes in the end."""
    mark = uuid.uuid4().hex
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            base_url = f"http://127.0.0.1:{port}"
            wait_for_200(f"{base_url}{ready}", process, timeout_s, log)
            took = time.perf_counter() - started
            yield RunningService(base_url, port, took, processor_seconds(marked_processes(mark)), mark, log)
        finally:
            stop(process, mark)


def wait_for_200(url: str, process: subprocess.Popen[bytes], timeout_s: float, log: Path) -> None:
    deadline = time.monotonic() + timeout_s
    with httpx.Client(timeout=5, trust_env=False) as http:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with status {process.returncode}; its output is in {log}")
            try:
                if http.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer 200 within {timeout_s:.0f} s; the output is in {log}")


def stop(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ctrl-C first; what is left of the marked processes after a minute is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 10
    while (left := marked_processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for pid in left:
        os.kill(pid, signal.SIGKILL)


def marked_processes(mark: str) -> list[int]:
    needle = f"{MARK}={mark}".encode()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _mentions(entry, needle)]


def _mentions(entry: Path, needle: bytes) -> bool:
    try:
        return needle in (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # gone meanwhile, or another user's
        return False


def processor_seconds(pids: Sequence[int]) -> float:
    """Used so far, with those of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_of(pids: Sequence[int]) -> Memory:
    rolled = [fields for pid in pids if (fields := _smaps(pid))]
    return Memory(len(rolled), sum(each["Rss"] for each in rolled) / 1024, sum(each["Pss"] for each in rolled) / 1024)


def _smaps(pid: int) -> Mapping[str, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return {}
    return {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.split()[-1] == "kB"}


def index(service: RunningService, folder: Path) -> float:
    """Runs ``lookalike index`` and returns its wall time in seconds."""
    started = time.perf_counter()
    command = [lookalike(), "index", str(folder), "--server", service.base_url]
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def lookalike() -> str:
    return str(Path(sys.executable).with_name("lookalike"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
