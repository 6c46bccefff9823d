"""Operations: all that can be asked of a shard beside changes and searches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from storage.shard.open_shard import OpenShard

Answer = TypeVar("Answer", covariant=True)

ThreadGroup = Literal["read", "write", "control", "upkeep"]


class Operation(ABC, Generic[Answer]):
    """One question with the type of its answer: a frozen dataclass that travels to the shard and runs there.

    group: of the threads that it runs on in the shard's process, so that what is short never waits for what is long.
    ``read`` for what a request waits for, ``write`` for changes, ``control`` for what upkeep asks often, ``upkeep`` for
    what takes minutes. A class says its own as ``class Question(Operation[int], group="control")``.
    """

    group: ClassVar[ThreadGroup] = "read"

    def __init_subclass__(cls, group: ThreadGroup | None = None) -> None:
        super().__init_subclass__()
        if group is not None:  # a dataclass with slots is made a second time, without keywords
            cls.group = group

    @abstractmethod
    def run(self, shard: OpenShard) -> Answer:
        """Answers within the shard. May raise any `LookalikeError`, which reaches the caller."""
