"""Waypost: MLflow pipelines of versioned components, run, released, reproduced and deployed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waypost.api import Result, RunFailedError, Step, lock, run, verify
    from waypost.model_api import Model, Scored, load_model, score

__version__ = "1.3.1"
__all__ = [
    "Model",
    "Result",
    "RunFailedError",
    "Scored",
    "Step",
    "__version__",
    "load_model",
    "lock",
    "run",
    "score",
    "verify",
]
_OF_MODELS = ("Model", "Scored", "load_model", "score")


def __getattr__(name: str) -> Any:
    """Imports the interface when it is asked for: the command line does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _OF_MODELS:
        from waypost import extras

        extras.require("serve", f"waypost.{name}")
    return getattr(
        importlib.import_module("waypost.model_api" if name in _OF_MODELS else "waypost.api"), name
    )
