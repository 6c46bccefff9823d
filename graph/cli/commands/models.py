"""``lookalike models``: the weights of neural models, fetched ahead of time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph.cli.terminal import output
from graph.cli.terminal.connection import example
from graph.cli.terminal.reporting import FAILED, warn
from storage.errors import ExtractorUnavailable

if TYPE_CHECKING:
    from deployments.models.fetching.pulling import Progress

app = typer.Typer(
    name="models", rich_markup_mode=None, invoke_without_command=True, epilog=example("lookalike models pull")
)

Config = Annotated[
    Path | None,
    typer.Argument(
        metavar="CONFIG.yaml", help="A configuration; otherwise configs/semantic.yaml, or configs/local.yaml."
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="ID", help="A model by its Hugging Face id, instead of those of a configuration."),
]


@dataclass(frozen=True, slots=True)
class WantedModel:
    """checks: of the parts that a configuration names it for; each raises ExtractorUnavailable for files that it cannot
    use.
    """

    id: str
    revision: str | None = None
    checks: tuple[Callable[[], object], ...] = ()


@app.callback()
def models(context: typer.Context) -> None:
    """Fetch the weights of neural models."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("pull", epilog=example("lookalike models pull", "lookalike models pull --model facebook/dinov2-small"))
def pull(config: Config = None, model: Models = None) -> None:
    """Fetch the weights of the models that a configuration names into the Hugging Face cache, and check them.

    Only safetensors and the small files beside them are fetched. What is there already is not fetched again.
    """
    wanted = [WantedModel(name) for name in model] if model else _named_in(config or _default_config())
    if not wanted:
        output.say("the configuration names no model that would have to be fetched")
    failed = 0
    for one in wanted:
        try:
            _pull(one)
        except ExtractorUnavailable as error:  # the others may be had all the same; not so where the hub is away
            warn(error.message, error.shell_hint)
            failed += 1
    if failed:
        raise typer.Exit(FAILED)


def _pull(wanted: WantedModel) -> None:
    from deployments.models.fetching.pulling import pull as pull_model

    with _display(wanted.id) as on_progress:
        pulled = pull_model(wanted.id, wanted.revision, on_progress=on_progress)
    for check in wanted.checks:
        check()
    fetched = f"{output.bytes_text(pulled.fetched_bytes)} fetched" if pulled.fetched_bytes else "was there already"
    output.say(f"{wanted.id}: {fetched}, in {pulled.folder}")


def _default_config() -> Path:
    from graph.config.serve_file import default_config

    local = default_config()
    semantic = local.with_name("semantic.yaml")
    return semantic if semantic.is_file() else local


def _named_in(config: Path) -> list[WantedModel]:
    """The models of a configuration's parts that are not folders on this machine, each once."""
    checks: dict[tuple[str, str | None], list[Callable[[], object]]] = {}
    for part, options in _parts(config):
        model, revision = getattr(options, "model", None), getattr(options, "revision", None)
        if model is not None and not Path(model).expanduser().is_dir():
            checks.setdefault((model, revision), []).append(partial(part.weights_mark, options))
    return [WantedModel(model, revision, tuple(found)) for (model, revision), found in checks.items()]


def _parts(config: Path) -> Iterator[tuple[Any, object]]:
    """The class of every extractor and annotator of a configuration, with its settings. Raises Misconfigured."""
    from deployments.annotators.registry import annotator_class, validate_annotator_config
    from deployments.extractors.registry import extractor_class, validate_config
    from graph.config.serve_file import load_config_file

    settings = load_config_file(config).app
    for name, options in settings.extractors.items():
        yield extractor_class(name), validate_config(name, options)
    for name, options in settings.annotators.items():
        yield annotator_class(name), validate_annotator_config(name, options)


@contextmanager
def _display(model: str) -> Iterator[Progress]:
    """Shows bytes; on stderr, and only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=output.console(stderr=True),
    )
    task = bar.add_task(model, total=None)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total)
