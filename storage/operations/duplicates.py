"""Questions for pictures that are near to each other."""

from __future__ import annotations

from dataclasses import dataclass

from storage.duplicates.messages import NearAnswer, NearPicture, NearQuestions
from storage.duplicates.near_search import near_pictures, walk_pictures
from storage.shard.open_shard import OpenShard
from storage.shard.operation import Operation


@dataclass(frozen=True, slots=True)
class Near(Operation[list[NearAnswer]]):
    """See `near_pictures`. Pictures whose file is missing are left out."""

    questions: NearQuestions

    def run(self, shard: OpenShard) -> list[NearAnswer]:
        with shard.read_with_masks({None}) as (transaction, moment, masks):
            return list(near_pictures(transaction, moment, self.questions, shard.near_memory, masks[None]))


@dataclass(frozen=True, slots=True)
class Walk(Operation[list[NearPicture]]):
    """See `walk_pictures`. Pictures whose file is missing are left out."""

    feature: str
    views: int
    after: int
    limit: int

    def run(self, shard: OpenShard) -> list[NearPicture]:
        with shard.read_with_masks({None}) as (transaction, moment, masks):
            return walk_pictures(transaction, moment, self.feature, self.views, self.after, self.limit, masks[None])


@dataclass(frozen=True, slots=True)
class ForgetExpired(Operation[None], group="control"):
    """Gives back the memory of what `Near` has not needed for a while; to be asked now and then."""

    def run(self, shard: OpenShard) -> None:
        shard.near_memory.forget_expired()
