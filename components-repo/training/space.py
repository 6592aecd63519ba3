"""What a search may vary: keys of the configuration, each with choices or a range, and with what effort."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

THIRD = 3
_FEWEST_ROWS = 100

Values = dict[str, Any]
"""Keys of the configuration with what a candidate has there."""


class Range(BaseModel):
    """Numbers from low to high; whole ones where both ends are. `log`: each order of magnitude alike."""

    model_config = ConfigDict(extra="forbid")

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _goes_up(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low has to be less than high: {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("log is for numbers above 0")
        return self

    def drawn(self, generator: np.random.Generator) -> int | float:
        low, high = (math.log(end) if self.log else float(end) for end in (self.low, self.high))
        value = float(generator.uniform(low, high))
        value = math.exp(value) if self.log else value
        is_whole = isinstance(self.low, int) and isinstance(self.high, int)
        return round(value) if is_whole else float(f"{value:.4g}")


class Search(BaseModel):
    """A search for the best configuration on the validation rows, by successive halving."""

    model_config = ConfigDict(extra="forbid")

    space: dict[str, Range | list[Any]]
    candidates: int = Field(default=27, ge=2, le=10_000)
    by: Literal["log_loss", "roc_auc", "accuracy", "f1_macro", "rmse", "mae", "r2", "mape"] | None = None
    minutes: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _has_choices(self) -> Search:
        if not self.space or [] in self.space.values():
            raise ValueError("space: name at least one key, and a choice for each")
        return self


def drawn(search: Search, seed: int) -> Iterator[Values]:
    """Gives the candidates: first the configuration as it is, then others, the same for the same seed."""
    yield {}
    generator = np.random.default_rng(seed)
    for _ in range(search.candidates - 1):
        yield {
            name: among.drawn(generator)
            if isinstance(among, Range)
            else among[int(generator.integers(len(among)))]
            for name, among in search.space.items()
        }


def rungs(candidates: int, rows: int) -> list[tuple[int, int]]:
    """Returns (how many candidates, how many rows each learns from), from many and few to few and all rows.

    A third of the candidates goes on with three times the rows; no rung has fewer than a hundred rows.
    """
    deepest = int(math.log(candidates, THIRD) + 1e-9)
    sizes = [rows // THIRD ** (deepest - rung) for rung in range(deepest + 1)]
    kept = [size for size in sizes if size >= min(_FEWEST_ROWS, rows)]
    return [(math.ceil(candidates / THIRD**at), size) for at, size in enumerate(kept)]


def changed(configuration: Mapping[str, Any], values: Values) -> Values:
    """Returns a configuration with other values at keys such as `boosting.learning_rate`."""
    found: Values = dict(configuration)
    for name, value in values.items():
        key, _, rest = name.partition(".")
        found[key] = changed(found.get(key) or {}, {rest: value}) if rest else value
    return found
