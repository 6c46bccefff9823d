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

# The same, but the grandchild ends by itself; and a child that somebody still asks for.
ENDED = """
import os, subprocess, sys, time
from pathlib import Path
from graph.serving.processes import adopt_orphans, bury_orphans
adopt_orphans()
asked = subprocess.Popen(["true"])
middle = "import subprocess as s; print(s.Popen(['true'], stdout=s.DEVNULL, start_new_session=True).pid)"
orphan = subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
deadline = time.monotonic() + 30
while Path("/proc", orphan).exists() and time.monotonic() < deadline:
    bury_orphans()
    time.sleep(0.02)
assert not Path("/proc", orphan).exists()
assert asked.poll() is not None, "it has ended for whoever started it"
"""


def test_an_orphan_of_an_orphan_ends() -> None:
    command = [sys.executable, "-c", PARENT]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not Path("/proc", done.stdout.strip()).exists() or is_zombie(int(done.stdout))


def test_orphans_that_ended_leave_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def is_zombie(process_id: int) -> bool:
    return "\nState:\tZ" in Path("/proc", str(process_id), "status").read_text()
