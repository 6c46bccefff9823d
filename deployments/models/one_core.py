"""How torch shares the cores of a CPU: not within a picture, so that results never depend on their number."""

from __future__ import annotations

import os
from functools import cache


@cache
def cpu_cores() -> int:
    """How many this process may use. Not what torch would take: Ray has it count the replica's ``num_cpus``, which is a
    share that is set aside and no limit.
    """
    return len(os.sched_getaffinity(0))


def one_core_here() -> None:
    """From now on torch computes on one core in this thread. To be said before each forward pass, for threads that
    have not computed yet take whatever was said last in any of them.
    """
    import torch

    torch.set_num_threads(1)
