"""What trainers of boosted trees have in common: their configuration, and the columns that trees take."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import model_validator
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

from componentkit.arguments import ComponentError
from training.config import TrainerConfig
from training.encoding import encoding, number_categories
from training.learner import Asked

MOST_TREES = 1000
"""With early stopping, which hardly any model needs so many for."""
_SIGNS = {"increasing": 1, "decreasing": -1}


class BoostingConfig(TrainerConfig):
    early_stopping: bool = True
    monotonic: dict[str, Literal["increasing", "decreasing"]] = {}
    boosting: dict[str, Any] = {}

    @model_validator(mode="after")
    def _constrains_numbers(self) -> BoostingConfig:
        if wrong := [name for name in self.monotonic if name not in self.features.numeric]:
            raise ValueError(f"monotonic: {wrong[0]!r} is none of the numeric features")
        if self.monotonic and self.features.text:
            raise ValueError("monotonic: it does not go with text features: leave one of them out")
        return self


def most_trees(config: BoostingConfig) -> int:
    return MOST_TREES if config.early_stopping else 100


def coded_features(asked: Asked) -> ColumnTransformer:
    """Returns the unfitted transformer: missing numbers stay missing, categories become codes."""
    lists = asked.config.features
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = number_categories(asked.features, lists)
    return encoding(lists, numbers, asked.config.text, numeric="passthrough", encoder=encoder, dense=True)


def signs_of(asked: Asked) -> list[int] | None:
    """Returns 1, -1 or 0 for each encoded column (numeric, categorical, in order), None without constraints.

    Raises ComponentError for a target that cannot be constrained.
    """
    config: BoostingConfig = asked.config
    if not config.monotonic:
        return None
    if asked.task.name != "regression" and len(np.unique(asked.labels)) > 2:
        raise ComponentError(
            "model: monotonic: it is for two classes or numbers, the target has more classes"
        )
    lists = config.features
    signs = [_SIGNS.get(config.monotonic.get(name, ""), 0) for name in lists.numeric]
    return signs + [0] * len(lists.categorical)


def not_stopped(rounds: int, option: str) -> str:
    """Returns what the user should know where learning came to its last round."""
    return f"learning had not stopped after {rounds} rounds: allow more, boosting: {{{option}: …}}"
