"""How torch shares the cores of a CPU: not within a picture, so that results never depend on their number."""

from __future__ import annotations

from functools import cache


@cache
def cpu_cores() -> int:
    """How many this process may use: what torch takes, before `one_core_here` tells it otherwise. Ray sets it to the
    replica's ``num_cpus``.
    """
    import torch

    return torch.get_num_threads()


def one_core_here() -> None:
    """From now on torch computes on one core in this thread. To be said before each forward pass, for threads that
    have not computed yet take whatever was said last in any of them.
    """
    import torch

    cpu_cores()
    torch.set_num_threads(1)
