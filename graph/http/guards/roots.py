"""Which paths of the service's machine a request may name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

from graph.config.settings import AppSettings
from storage.errors import Forbidden
from storage.files import lies_in


async def check_roots(paths: Iterable[str], settings: AppSettings) -> None:
    """Raises Forbidden for a path that leads out of the allowed folders, whatever links are on the way. The answer is
    the same whether there is such a file or not.
    """
    if settings.has_keys:
        await asyncio.to_thread(_check, tuple(paths), settings)


def _check(paths: Iterable[str], settings: AppSettings) -> None:
    roots = [os.path.realpath(root) for root in settings.allowed_roots]
    for path in paths:
        if not os.path.isabs(path) or not lies_in(os.path.realpath(path), roots):
            raise Forbidden(
                f"{path!r} is not below one of the folders that jobs may read",
                "add its folder to args.allowed_roots in the configuration"
                if os.path.isabs(path)
                else "give its whole path",
            )
