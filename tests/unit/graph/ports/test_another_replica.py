"""What happens when the replica that was asked dies."""

from __future__ import annotations

import pytest

from graph.ports.another_replica import ask_twice
from storage.errors import ExtractorFailed


class Deployment:
    """The first so many calls meet a replica that dies."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.asked = 0

    async def answer(self) -> str:
        self.asked += 1
        if self.asked <= self.deaths:
            raise RuntimeError("the actor died")
        return "rows"


@pytest.mark.parametrize("deaths", [0, 1])
async def test_another_replica_is_asked_where_one_died(deaths: int) -> None:
    deployment = Deployment(deaths)
    assert await ask_twice("phash", deployment.answer) == "rows"
    assert deployment.asked == deaths + 1


async def test_a_picture_that_two_replicas_die_of_is_given_to_no_third() -> None:
    deployment = Deployment(deaths=5)
    with pytest.raises(ExtractorFailed, match="'phash' did not answer"):
        await ask_twice("phash", deployment.answer)
    assert deployment.asked == 2
