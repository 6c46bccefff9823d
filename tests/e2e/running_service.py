"""The whole service as a user starts it: ``lookalike serve`` in processes of its own, on a free port, with a data
folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
LOOKALIKE = Path(sys.executable).with_name("lookalike")
START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(address: str) -> bool:
    """Whether something listens on that address's port, here."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 5):
        return True
    return False


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Polls until the condition holds; fails with ``what`` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.1)


def processes(mark: str, title: str = "") -> list[int]:
    """Those with ``mark`` in their environment, which they inherit, and ``title`` in their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if (
                    mark.encode() in (folder / "environ").read_bytes()
                    and title.encode() in (folder / "cmdline").read_bytes()
                    and b"\nState:\tZ" not in (folder / "status").read_bytes()
                ):
                    found.append(int(folder.name))
    return found


def as_from_a_terminal() -> None:
    """For ``preexec_fn``. Whoever runs the tests may ignore these, as `nohup` and shells do in the background, and
    children inherit that.
    """
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class RunningService:
    """A started service. ``log`` is what it printed. ca: the certificate by which one that speaks HTTPS is known."""

    data: Path
    config: Path = ROOT / "configs" / "test.yaml"
    environment: Mapping[str, str] = field(default_factory=dict)
    ca: Path | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'http' if self.ca is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def verify(self) -> ssl.SSLContext | bool:
        return self.ca is not None and ssl.create_default_context(cafile=self.ca)

    @property
    def log(self) -> str:
        path = self.data.with_suffix(".log")
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Returns when the service says that it can answer."""
        self.begin()
        assert self.process is not None
        with httpx.Client(base_url=self.url, timeout=5, trust_env=False, verify=self.verify) as http:
            wait_for(lambda: self._ready_or_dead(http), f"{self.config} on {self.data} is ready", START_TIMEOUT_S)
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.log[-3000:]}")

    def begin(self) -> None:
        """Starts it, and waits for nothing."""
        command = [str(LOOKALIKE), "serve", str(self.config), "--data", str(self.data), "--port", str(self.port)]
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self.data.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=as_from_a_terminal,
                env={**os.environ, **self.environment},
            )

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        """By Ctrl-C where nothing else is said; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(STOP_TIMEOUT_S)

    def kill_everything(self) -> None:
        """SIGKILL to every process of the service at once: the shell command, Ray's daemons, every worker."""
        assert self.process is not None
        for process_id in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        self.process.wait(10)
        wait_for(lambda: not self.processes(), "every process is gone")

    def processes(self) -> list[int]:
        """Every process started by this service: they inherit the marks of its environment."""
        return processes(f"LOOKALIKE_TEST_SERVICE={self.port}")

    def processes_named(self, name: str) -> list[int]:
        """Those whose title holds ``name``, such as ``ray::ShardActor``."""
        return processes(f"LOOKALIKE_TEST_SERVICE={self.port}", name)

    def run(self, *arguments: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """A ``lookalike`` command against this service."""
        environment = {**os.environ, **self.environment, "LOOKALIKE_SERVER": self.url}
        return subprocess.run(
            [str(LOOKALIKE), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=environment,
            check=False,
        )

    def __post_init__(self) -> None:
        self.environment = {**self.environment, "LOOKALIKE_TEST_SERVICE": str(self.port)}

    def _ready_or_dead(self, http: httpx.Client) -> bool:
        if self.process is not None and self.process.poll() is not None:
            return True
        with contextlib.suppress(httpx.HTTPError):
            return http.get("/readyz").status_code == 200
        return False


def answers(service: RunningService) -> bool:
    try:
        return httpx.get(f"{service.url}/readyz", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def service(data: Path, **options: object) -> Iterator[RunningService]:
    """A service for the length of a block."""
    running = RunningService(data, **options)  # type: ignore[arg-type]
    try:
        running.start()
        yield running
    finally:
        if running.process is not None:
            try:
                running.stop()
            finally:
                for process_id in running.processes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process_id, signal.SIGKILL)
