"""All shards of a data folder: creates their actors, finds them again, replaces those of another version.

An actor's name holds the data folder, the shard's number and the version of the code and of the features it runs,
because Ray would otherwise hand out a running actor with its old code. A starting service closes the shards of other
versions before it creates its own; later it never does, so that two versions during a rollout do not fight over the
folder: the newer one wins.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

import lookalike_client.errors
import storage
from storage.cluster.actor import shard_actor_class
from storage.cluster.plan import FleetPlan
from storage.errors import ShardBroken
from storage.operations.reports import SearchAddress

logger = logging.getLogger(__name__)

NAMESPACE = "lookalike"
CLOSE_TIMEOUT_S = 30.0
OPENING_TIMEOUT_S = 0.2


class ShardFleet:
    """Handles of the shard actors of one data folder. Every method blocks: call it off the event loop."""

    def __init__(self, plan: FleetPlan) -> None:
        self._plan = plan
        self._version = fleet_version(plan)
        self._handles: dict[int, Any] = {}

    def start(self) -> None:
        """Closes the shards of other versions, then creates the missing ones of ours."""
        for index in range(self._plan.shard_count):
            if others := self._others(index):
                logger.info("closing %s, of another version", ", ".join(others))
                _close(others)
            self.find_or_create(index)

    def handle(self, index: int) -> Any:
        """The actor of shard ``index``, created if need be."""
        known = self._handles.get(index)
        return known if known is not None else self.find_or_create(index)

    def find_or_create(self, index: int) -> Any:
        """Looks the actor up again, for a caller whose handle is dead."""
        others = self._others(index)
        actor = ray.get_actor(others[-1], namespace=NAMESPACE) if others else self._created(index)
        self._handles[index] = actor
        return actor

    def _created(self, index: int) -> Any:
        selector = self._plan.label_selectors[index] if self._plan.label_selectors else None
        return shard_actor_class(
            name=self._name(index),
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_task_retries=0,
            num_cpus=0,
            **({} if selector is None else {"label_selector": dict(selector)}),
        ).remote(self._plan.shard(index))

    def check_opening(self) -> None:
        """Raises the `ShardBroken` of a shard that says that it cannot be opened; does not wait for one that opens."""
        question = SearchAddress()  # any that costs nothing
        asked = [
            self.handle(index).ask.options(concurrency_group=question.group).remote(question)
            for index in range(self._plan.shard_count)
        ]
        answered, _ = ray.wait(asked, num_returns=len(asked), timeout=OPENING_TIMEOUT_S)
        for reference in answered:
            with contextlib.suppress(RayError):  # it is starting again
                answer = ray.get(reference)
                if isinstance(answer, ShardBroken):
                    raise answer

    def close(self) -> None:
        """Closes every shard cleanly: indexes saved, folders free. For the end of a service."""
        _close([name for index in range(self._plan.shard_count) for name in self._names(index)])
        self._handles.clear()

    def label_of(self, index: int) -> str:
        """The node label that shard ``index`` waits for, for messages; empty when it is not pinned."""
        if not self._plan.label_selectors:
            return ""
        return ", ".join(f"{key}={value}" for key, value in self._plan.label_selectors[index].items())

    def _name(self, index: int) -> str:
        return f"{self._prefix(index)}{self._version}"

    def _prefix(self, index: int) -> str:
        return f"shard-{_digest(self._plan.data_dir)[:12]}-{index}-"

    def _others(self, index: int) -> list[str]:
        """Names of the shard's actors of other versions."""
        return [name for name in self._names(index) if name != self._name(index)]

    def _names(self, index: int) -> list[str]:
        named: Sequence[Mapping[str, str]] = ray.util.list_named_actors(all_namespaces=True)
        return [
            entry["name"]
            for entry in named
            if entry["namespace"] == NAMESPACE and entry["name"].startswith(self._prefix(index))
        ]


def _close(names: Sequence[str]) -> None:
    """All at once, in order, and then for good."""
    actors = {}
    for name in names:
        with contextlib.suppress(ValueError):  # it has ended meanwhile
            actors[name] = ray.get_actor(name, namespace=NAMESPACE)
    closing: dict[str, Any] = {name: actor.close.remote() for name, actor in actors.items()}
    deadline = time.monotonic() + CLOSE_TIMEOUT_S
    for name, answer in closing.items():
        try:
            ray.get(answer, timeout=max(0.0, deadline - time.monotonic()))
        except Exception as failure:  # it is killed anyway: what was acknowledged is on disk
            logger.warning("%s did not close in order: %s", name, failure)
        ray.kill(actors[name], no_restart=True)


def fleet_version(plan: FleetPlan, code: Path | None = None) -> str:
    """Changes with the storage code, the errors, the features and their indexes: no actor is reused with one of them
    outdated. Not with the models of late features, which come and go while an actor serves.

    code: the folder that the actors import, this one unless said.
    """
    folder = Path(storage.__file__).parent if code is None else code
    sources = sorted(folder.rglob("*.py"))
    parts = [source.relative_to(folder).as_posix().encode() + b"\0" + source.read_bytes() for source in sources]
    parts.append(Path(lookalike_client.errors.__file__).read_bytes())
    settings = plan.settings
    features = sorted((spec.name, spec.fingerprint) for spec in settings.features)
    other_names = (sorted(settings.late), sorted(settings.annotations))
    settled = repr((features, other_names, settings.keeps_originals, sorted(settings.index_configs.items())))
    return _digest(b"\0".join([*parts, settled.encode()]))[:12]


def _digest(value: str | bytes) -> str:
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()
