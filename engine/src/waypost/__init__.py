"""Waypost: MLflow pipelines of versioned components, run, released, reproduced and deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waypost.api import Result, RunFailedError, Step, lock, run, verify

__version__ = "1.0.0"
__all__ = ["Result", "RunFailedError", "Step", "__version__", "lock", "run", "verify"]


def __getattr__(name: str) -> Any:
    """Imports the interface when it is asked for: the command line does without."""
    if name in __all__:
        from waypost import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
