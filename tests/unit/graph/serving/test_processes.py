"""Whatever a service started ends with it, also what nobody knows of any more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]

# A child that starts a grandchild in a session of its own and dies.
PARENT = """
import os, subprocess, sys, time
from graph.serving.processes import adopt_orphans, descendants, end_descendants
adopt_orphans()
middle = "import subprocess as s; print(s.Popen(['sleep', '600'], stdout=s.DEVNULL, start_new_session=True).pid)"
said = subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE, text=True, check=True).stdout
assert descendants() == [int(said)], "it stays below us"
end_descendants()
assert descendants() == []
print(said.strip())
"""


def test_an_orphan_of_an_orphan_ends() -> None:
    command = [sys.executable, "-c", PARENT]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not Path("/proc", done.stdout.strip()).exists() or is_zombie(int(done.stdout))


def is_zombie(process_id: int) -> bool:
    return "\nState:\tZ" in Path("/proc", str(process_id), "status").read_text()
