"""`lookalike_client`, by another name."""

from lookalike_client import *  # noqa: F403
from lookalike_client import __all__ as __all__
