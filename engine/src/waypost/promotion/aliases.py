"""Aliases of registered models: which version has one, and rollback to the previous version."""

from __future__ import annotations

from pathlib import Path

from waypost.errors import UsageError
from waypost.tracking.connection import tracking_errors
from waypost.tracking.models import find
from waypost.tracking.registry import ModelVersion, Registry

_PREVIOUS = "previous"


def previous_of(alias: str) -> str:
    """Returns the alias under which the previous version of an alias is kept."""
    return _PREVIOUS if alias == "champion" else f"{_PREVIOUS}-{alias}"


def rollback(name: str, alias: str) -> tuple[ModelVersion, ModelVersion]:
    """Moves an alias back to its previous version; returns (new version, old version).

    Raises UsageError if there is no such version.
    """
    with tracking_errors():
        registry = Registry()
        now, before = registry.by_alias(name, alias), registry.by_alias(name, previous_of(alias))
        if now is None:
            raise UsageError(f"{name}: no version has the alias {alias!r}")
        if before is None:
            raise UsageError(f"{name}: no previous version has had the alias {alias!r}")
        registry.move(name, alias, before.version)
        registry.move(name, previous_of(alias), now.version)
        return before, now


def info(uri: str) -> tuple[ModelVersion, Path]:
    """Returns (registered version, its folder) of `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Raises UsageError for any other URI, and if there is no such version.
    """
    found = find(uri)
    if not found.name or not found.version:
        raise UsageError(f"{uri}: not a registered model", hint="models:/NAME@ALIAS or models:/NAME/VERSION")
    with tracking_errors():
        return Registry().by_number(found.name, found.version), found.folder
