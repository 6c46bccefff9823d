"""Loops over pixels as machine code.

A loop is compiled for one signature on its first use (a second or two, once a machine: numba keeps the result beside
the source) and releases the GIL. Floating-point loops keep the order in which they are written, without fused or
reassociated operations, so that every machine computes the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

CompiledLoop = Callable[..., Any]


@cache
def compiled(loop: CompiledLoop, *arguments: str) -> CompiledLoop:
    """``loop`` as machine code, loaded or compiled once in a process.

    arguments: the type of each, as "uint8[:]", "float32[:, :]" (C-contiguous; "const " before it: read-only), or
    "int64", "float32" for a number.
    """
    import numba  # 0.3 s and 70 MB: only where pictures are worked on

    signature = tuple(_type_of(argument, numba.types) for argument in arguments)
    try:
        machine_code: CompiledLoop = numba.njit(signature, cache=True, nogil=True)(loop)
    except RuntimeError:  # neither this folder nor the user's cache can be written: compile in every process
        machine_code = numba.njit(signature, nogil=True)(loop)
    return machine_code


def _type_of(argument: str, types: Any) -> Any:
    name, bracket, dimensions = argument.removeprefix("const ").partition("[")
    number = getattr(types, name)
    if not bracket:
        return number
    return types.Array(number, dimensions.count(":"), "C", readonly=argument.startswith("const "))
