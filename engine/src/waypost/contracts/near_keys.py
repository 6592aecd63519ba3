"""Parameter keys similar to the one that was asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from waypost.errors import did_you_mean
from waypost.texts.limits import shortened

_MOST_NAMES = 2_000  # names searched for a similar one


def near_key(name: str, tree: Mapping[Any, Any]) -> str:
    """Returns `did you mean 'x'?` for the nearest dotted key of nested mappings, as `did_you_mean` does."""
    return did_you_mean(shortened(name), itertools.islice(_keys_of(tree), _MOST_NAMES))


def _keys_of(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    """Yields the dotted keys of the leaves of nested mappings."""
    for key, child in tree.items():
        name = f"{prefix}{key}"
        if isinstance(child, dict) and child:
            yield from _keys_of(child, f"{name}.")
        else:
            yield name
