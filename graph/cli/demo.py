"""What ``make demo`` runs: the service, a folder of photos in it, one search of each kind, and what to try next.

It uses what users use: the shell command ``lookalike`` and the Python client. The sample photographs are those that
scikit-image and scikit-learn carry in their packages.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graph.cli.terminal.judging import how_text, relation_text
from graph.same_picture import SAME_PICTURE_BITS
from lookalike_client import Client, ImageRow, SearchAnswer
from lookalike_client.matches import Verdict
from storage.errors import LookalikeError

HOST = "127.0.0.1"
SAMPLES = Path("build/demo-photos")
SAMPLE_SOURCES = {
    "skimage": (
        "data",
        "astronaut brick camera chelsea coffee coins grass gravel hubble_deep_field moon motorcycle_left retina rocket",
    ),
    "sklearn": ("datasets/images", "china flower"),
}
START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 60.0
VERDICTS: Mapping[Verdict, str] = {"match": "a match", "similar": "no match, some are similar", "none": "no match"}
TEXTURED_INLIERS = 60  # keypoints of a picture that agree with themselves, of at most 200


class DemoFailed(Exception):
    """Why the demonstration ended early, in one line."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of search, and the picture that it has to find."""

    title: str
    query: Mapping[str, Any]
    expected_id: str
    feature: str = "phash"
    max_distance: float | None = SAME_PICTURE_BITS  # None: to be found is enough
    options: Mapping[str, Any] = field(default_factory=dict)


def main(
    photos: Annotated[str, typer.Option(help="Folder of photos; sample photographs without it.")] = "",
    data: Annotated[Path, typer.Option(help="Where the service keeps its data.")] = Path("data"),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    check: Annotated[bool, typer.Option("--check", help="Try every kind of search and leave.")] = False,
    api_key: Annotated[str | None, typer.Option(envvar="LOOKALIKE_API_KEY")] = None,
) -> None:
    """Start the service, index photos, search in every way, say what to try."""
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        folder = Path(photos).expanduser() if photos else sample_photos(SAMPLES)
        if not folder.exists():
            raise DemoFailed(f"there is no folder {str(folder)!r}: give one with PHOTOS=")
        with running_service(data, port, console) as service, Client(f"http://{HOST}:{port}", api_key) as client:
            wait_until_ready(client, service)
            index(folder, client.base_url, api_key)
            search_in_every_way(client, console)
            say_what_to_try(console, client.base_url)
            if not check:
                stay(console, client.base_url, service)
    except (DemoFailed, LookalikeError, OSError) as error:
        console.print(Text(f"make demo failed: {error}", "bold red"))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def sample_photos(folder: Path) -> Path:
    """Fills the folder with the photographs that come with scikit-image and scikit-learn."""
    folder.mkdir(parents=True, exist_ok=True)
    for package, (data, names) in SAMPLE_SOURCES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for name in names.split():
            for file in sorted((Path(spec.origin).parent / data).glob(f"{name}.*")):
                if not (folder / file.name).exists():
                    shutil.copyfile(file, folder / file.name)
    if not any(folder.iterdir()):
        raise DemoFailed("no sample photographs: install the extra `dev`, or give a folder with PHOTOS=")
    return folder


@contextmanager
def running_service(data: Path, port: int, console: Console) -> Iterator[subprocess.Popen[bytes]]:
    """``lookalike serve`` in a session of its own, so that Ctrl-C reaches it once, from us; stopped at the end."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoFailed(f"port {port} is in use: stop what listens there, or give another with PORT=") from error
    console.print(f"starting the service on {HOST}:{port}, data in {data} (about half a minute)")
    command = [lookalike(), "serve", "--data", str(data), "--host", HOST, "--port", str(port)]
    service = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield service
    finally:
        stop(service, console)


def stop(service: subprocess.Popen[bytes], console: Console) -> None:
    if service.poll() is None:
        console.print("stopping the service")
        service.send_signal(signal.SIGINT)
    try:
        service.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        service.kill()
        raise DemoFailed(f"the service did not stop within {STOP_TIMEOUT_S:.0f} seconds and was killed") from None


def wait_until_ready(client: Client, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    missing: tuple[str, ...] = ("no answer",)
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise DemoFailed(f"the service ended with status {service.returncode}; its reason is above")
        with suppress(LookalikeError):
            readiness = client.ready()
            if readiness.ready:
                return
            missing = readiness.missing
        time.sleep(0.5)
    raise DemoFailed(f"the service was not ready within {START_TIMEOUT_S:.0f} seconds: {'; '.join(missing)}")


def index(folder: Path, server: str, api_key: str | None) -> None:
    command = [lookalike(), "index", str(folder.absolute()), "--server", server]
    done = subprocess.run([*command, *(["--api-key", api_key] if api_key else [])], check=False)
    if done.returncode != 0:
        raise DemoFailed(f"`lookalike index {folder}` ended with status {done.returncode}")


def lookalike() -> str:
    """The shell command of this virtual environment."""
    command = Path(sys.executable).with_name("lookalike")
    if not command.exists():
        raise DemoFailed(f"there is no {command}: run `make setup`")
    return str(command)


def search_in_every_way(client: Client, console: Console) -> None:
    """Prints the answers. Raises DemoFailed with what was not found."""
    stored = next(client.images(), None)
    if stored is None:
        raise DemoFailed("nothing was indexed: the folder has no picture that can be read")
    failures = []
    for trial in trials(client, stored, client.original(stored.id)):
        answer = client.search(k=5, **trial.query, **trial.options)
        console.print(answer_table(trial.title, answer))
        problem = problem_with(answer, trial)
        if problem:
            failures.append(f"{trial.title}: {problem}")
    if failures:
        raise DemoFailed("; ".join(failures))
    console.print(f"every kind of search found {stored.id!r}", style="green", markup=False)


def trials(client: Client, stored: ImageRow, photo: bytes) -> list[Trial]:
    """Every kind of search that the default extractors answer, for one stored picture. By a part (half of the photo's
    area, from its middle) only where there is so much texture that parts have keypoints.
    """
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(photo))).convert("RGB")
    turned = jpeg(upright.transpose(Image.Transpose.ROTATE_90))
    any_way = {"features": ["phash"], "params": {"phash": {"orientations": "all"}}}
    made = [
        Trial("by photo", {"image": photo}, stored.id),
        Trial("by the mirrored photo", {"image": jpeg(ImageOps.mirror(upright))}, stored.id),
        Trial(
            "by the photo turned by 90 degrees, all orientations asked", {"image": turned}, stored.id, options=any_way
        ),
        Trial("by stored id", {"id": stored.id}, stored.id),
        Trial("by colours alone", {"image": photo}, stored.id, "color", 0.1, {"features": ["color"]}),
    ]
    found = client.search(id=stored.id, k=1, features=["local"]).results
    if found and found[0].matches["local"]["inliers"] >= TEXTURED_INLIERS:
        left, top = round(upright.width * 0.15), round(upright.height * 0.15)
        part = jpeg(upright.crop((left, top, upright.width - left, upright.height - top)))
        made.append(Trial("by a part cut from the photo", {"image": part}, stored.id, "local", None))
    return made


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def problem_with(answer: SearchAnswer, trial: Trial) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if answer.partial:
        return f"a part of the service did not answer: {dict(answer.features)}"
    matches = {result.id: result.matches.get(trial.feature) for result in answer.results}
    match = matches.get(trial.expected_id)
    if match is None:
        return f"{trial.expected_id!r} was not found"
    if trial.max_distance is None:
        return ""
    distance = match["distance"]
    return "" if distance <= trial.max_distance else f"{trial.expected_id!r} was found only at distance {distance}"


def answer_table(title: str, answer: SearchAnswer) -> Table:
    """Ids are shown as text, whatever characters they hold."""
    features = sorted({name for result in answer.results for name in result.matches})
    says = f"{title}: {VERDICTS[answer.verdict]} ({answer.took_ms:.0f} ms)"
    table = Table("id", "what it is", "score", *features, title=says, title_justify="left")
    for result in answer.results:
        what = ", ".join(filter(None, [relation_text(result), how_text(result)]))
        distances = (_figure(result.matches.get(name)) for name in features)
        table.add_row(Text(result.id), what, f"{result.score:.3f}", *distances)
    return table


def _figure(match: Mapping[str, Any] | None) -> str:
    """The distance, or the number of inliers; empty for a picture not found."""
    return "" if match is None else f"{match['distance'] if 'distance' in match else match['inliers']:g}"


def say_what_to_try(console: Console, server: str) -> None:
    console.print("\nTry:")
    for line in (
        "lookalike search PHOTO.jpg",
        "lookalike index ~/Pictures",
        "lookalike status",
        f"curl -F image=@PHOTO.jpg {server}/v1/search",
    ):
        console.print(f"  {line if line.startswith('curl') else f'.venv/bin/{line} --server {server}'}", soft_wrap=True)
    console.print(f"the page: {server}/    the HTTP interface: {server}/docs")


def stay(console: Console, server: str, service: subprocess.Popen[bytes]) -> None:
    """Opens the page and waits for Ctrl-C, or for the service to end."""
    webbrowser.open(f"{server}/")
    console.print("Ctrl-C stops the service.")
    status = service.wait()
    raise DemoFailed(f"the service ended with status {status}; its reason is above")


if __name__ == "__main__":
    typer.run(main)
