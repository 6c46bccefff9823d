"""A collection that follows its folders, by the shell in a terminal, over HTTP and by the Python client."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graph.client import Client
from tests.e2e.running_service import LOOKALIKE, RunningService, as_from_a_terminal, wait_for
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[━╸╺]")


class Terminal:
    """A command in a terminal of 80 columns. text: all that it wrote."""

    def __init__(self, service: RunningService, *arguments: str) -> None:
        self._screen, end = pty.openpty()
        environment = {**os.environ, **service.environment, "LOOKALIKE_SERVER": service.url, "COLUMNS": "80"}
        self.process = subprocess.Popen(
            [str(LOOKALIKE), *arguments],
            stdin=end,
            stdout=end,
            stderr=end,
            env=environment,
            start_new_session=True,
            preexec_fn=as_from_a_terminal,
        )
        os.close(end)
        self.text = ""

    def until(self, is_seen: Callable[[str], bool], timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_seen(self.text) and time.monotonic() < deadline and self._reads():
            pass
        assert is_seen(self.text), self.text[-300:]

    def _reads(self) -> bool:
        """What the command wrote meanwhile; False once it has ended."""
        if select.select([self._screen], [], [], 0.2)[0]:
            try:
                self.text += CONTROLS.sub("", os.read(self._screen, 65536).decode(errors="replace"))
            except OSError:
                return False
        return True

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def end(self) -> int:
        while self._reads():
            pass
        os.close(self._screen)
        return self.process.wait(60)


def write(folder: Path, name: str, seed: int) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo(seed))
    return path


def test_a_collection_follows_what_becomes_of_its_files(
    shared_service: RunningService, client: Client, tmp_path: Path
) -> None:
    shown = f'folder = "{tmp_path}"'
    for number, folder in enumerate(("trips/2019", "trips/2020")):
        write(tmp_path, f"{folder}/IMG_0001.jpg", 7000 + number)
        assert "indexed 1 new" in shared_service.run("index", str(tmp_path / folder)).stdout
    write(tmp_path, "trips/2020/gone.jpg", 7002)
    write(tmp_path, "trips/2020/by hand.jpg", 7003)
    assert "indexed 2 new, 0 replaced, 2 unchanged" in shared_service.run("index", str(tmp_path / "trips")).stdout
    ids = [row.id for row in client.images(filter=shown)]
    assert sorted(ids) == ["2020/IMG_0001.jpg", "2020/by hand.jpg", "2020/gone.jpg", "IMG_0001.jpg"]

    assert shared_service.run("rm", "2020/by hand.jpg").returncode == 0
    (tmp_path / "trips/2020/gone.jpg").unlink()
    os.rename(tmp_path / "trips/2019/IMG_0001.jpg", tmp_path / "trips/2020/bridge.jpg")
    done = shared_service.run("index", str(tmp_path / "trips"))
    assert "indexed 0 new, 0 replaced, 1 moved, 1 unchanged, 0 could not be read" in done.stdout
    assert "1 kept out" in done.stdout
    assert "1 picture without a file: marked as missing" in done.stdout
    assert client.get("IMG_0001.jpg").path == str(tmp_path / "trips/2020/bridge.jpg")
    assert client.get("2020/gone.jpg").missing
    found = client.search(photo(7002), features=["phash"], k=1).results
    assert [result.id for result in found] != ["2020/gone.jpg"]
    [root] = [root for root in client.library() if root.path == str(tmp_path / "trips")]
    assert (root.reachable, root.pictures, root.missing, root.kept_out) == (True, 3, 1, 1)

    refused = shared_service.run("index", str(tmp_path / "trips"), "--prune")
    assert refused.returncode == 2
    assert "add --yes" in refused.stderr
    asking = Terminal(shared_service, "index", str(tmp_path / "trips"), "--prune")
    asking.until(lambda text: "Remove 1 picture from the collection?" in text)
    assert str(tmp_path / "trips/2020/gone.jpg") in asking.text.replace("\r\n", "")
    write(tmp_path, "trips/2020/other.jpg", 7004).unlink()
    asking.type("y\n")
    assert asking.end() == 0
    assert "1 picture removed" in asking.text
    assert sorted(row.id for row in client.images(filter=shown)) == ["2020/IMG_0001.jpg", "IMG_0001.jpg"]
    for path in ("trips/2019", "trips/2020", "trips"):
        assert shared_service.run("library", "forget", str(tmp_path / path)).returncode == 0
    assert not [one for one in client.library() if one.path.startswith(str(tmp_path))]
    for row in client.images(filter=shown):
        client.delete(row.id)


def test_a_folder_is_watched_until_ctrl_c(shared_service: RunningService, client: Client, tmp_path: Path) -> None:
    write(tmp_path, "first.jpg", 7100)
    watching = Terminal(shared_service, "index", str(tmp_path), "--watch")
    watching.until(lambda text: "watching" in text and "1/1" in text)
    write(tmp_path, "second.jpg", 7101)
    wait_for(lambda: len(list(client.images(filter=f'folder = "{tmp_path}"'))) == 2, "the new file is taken in")
    os.rename(tmp_path / "second.jpg", tmp_path / "renamed.jpg")
    wait_for(lambda: client.get("second.jpg").path == str(tmp_path / "renamed.jpg"), "the renamed file is followed")
    (tmp_path / "first.jpg").unlink()
    wait_for(lambda: client.get("first.jpg").missing, "the deleted file is missed")
    [root] = [root for root in client.library() if root.path == str(tmp_path)]
    assert root.watched
    os.killpg(watching.process.pid, signal.SIGINT)
    assert watching.end() == 0
    assert "watched no longer" in watching.text
    [job] = client.jobs()[:1]
    assert (job.state, job.added, job.replaced, job.total) == ("stopped", 2, 0, 2)
    [root] = [root for root in client.library() if root.path == str(tmp_path)]
    assert not root.watched
    client.forget_folder(str(tmp_path))
    for row in client.images(filter=f'folder = "{tmp_path}" and missing in [true, false]'):
        client.delete(row.id)
