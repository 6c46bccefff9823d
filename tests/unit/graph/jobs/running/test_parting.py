"""A job's process does not outlive the service."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.unit.waiting import PATIENCE_S

JOB = """
import subprocess, sys, time
from graph.jobs.running.job import end_with_parent
end_with_parent(0.1)
print("at work", flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_job_ends_soon_after_whoever_started_it() -> None:
    starter = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    parent = subprocess.Popen([sys.executable, "-c", starter, JOB], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "at work\n"
    parent.kill()
    started = time.monotonic()
    assert parent.stdout.read() == ""  # closed by the last of them that goes
    assert time.monotonic() - started < PATIENCE_S
    parent.wait()
    parent.stdout.close()
