"""How a command ends: errors as one line on stderr and an exit code, never a traceback.

0 done, 1 failed, 2 wrong usage, 3 the service cannot be reached, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from graph.cli.terminal.output import one_line
from storage.errors import InvalidRequest, LookalikeError, ServiceUnreachable, StorageFailure, UnreadableImage

FAILED = 1
WRONG_USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130

DEBUG_VARIABLE = "LOOKALIKE_DEBUG"
OF_PYDANTIC = "Value error, "  # which checks options, and begins its messages so


def warn(what: str, what_to_do: str = "") -> None:
    """One line on stderr: ``lookalike: what; what to do``."""
    what = one_line(what).rstrip(".")
    print(f"lookalike: {what}; {one_line(what_to_do)}" if what_to_do else f"lookalike: {what}", file=sys.stderr)


def fail(what: str, what_to_do: str = "", exit_code: int = FAILED) -> NoReturn:
    """Report and end the command."""
    warn(what, what_to_do)
    raise typer.Exit(exit_code)


class ReportingGroup(TyperGroup):
    """The command group whose commands end as this module says."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # An id may hold characters that the terminal's encoding lacks.
                stream.reconfigure(errors="backslashreplace")
        kwargs["standalone_mode"] = False
        try:
            exit_code = super().main(*args, **kwargs) or 0
            sys.stdout.flush()
            sys.exit(exit_code)
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                raise
            sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Write the error's line; returns the exit code."""
    match error:
        case LookalikeError():
            warn(error.message, _hint(error))
            return _exit_code(error)
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "lookalike"
            warn(error.format_message().replace(OF_PYDANTIC, "", 1), f"see `{command} --help`")
            return error.exit_code
        case typer.Abort() | EOFError():
            return INTERRUPTED
        case BrokenPipeError():
            # Whoever read our output has gone; without this the interpreter complains at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        case OSError():
            warn(
                f"{error.filename}: {error.strerror}" if error.filename else str(error), "check the file and try again"
            )
            return FAILED
        case _:
            warn(f"unexpected {type(error).__name__}: {error}", f"set {DEBUG_VARIABLE}=1 to see where, and report it")
            return FAILED


def _hint(error: LookalikeError) -> str:
    """With the request's id where the service could not keep what it was given: its log has more under it."""
    of_request = isinstance(error, StorageFailure) and error.request_id
    return f"{error.shell_hint} (request {error.request_id})" if of_request else error.shell_hint


def _exit_code(error: LookalikeError) -> int:
    if isinstance(error, ServiceUnreachable):
        return UNREACHABLE
    if isinstance(error, InvalidRequest) and not isinstance(error, UnreadableImage):
        return WRONG_USAGE
    return FAILED
