"""What the configuration of every trainer may say; each adds the options of its own estimator."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from componentkit.arguments import ComponentError
from componentkit.columns import text_of
from scoring import Labels
from training.features import Features, Strict
from training.space import Search
from training.threshold import Threshold

Weight = Annotated[float, Field(gt=0)]


class TextOptions(Strict):
    max_features: int = Field(default=200, ge=1)
    ngram_max: int = Field(default=1, ge=1, le=5)
    min_documents: int = Field(default=2, ge=1)


class Permutation(Strict):
    """Effort of the permutation importances; no repeats switches them off."""

    repeats: int = Field(default=2, ge=0)
    rows: int = Field(default=500, ge=1)


class TrainerConfig(Strict):
    known_weights: ClassVar[tuple[str, ...]] = ("none", "balanced")

    features: Features
    text: TextOptions = TextOptions()
    class_weight: Literal["none", "balanced"] | dict[Any, Weight] = "none"
    threshold: Threshold | None = None
    permutation: Permutation = Permutation()
    search: Search | None = None

    @field_validator("class_weight", mode="wrap")
    @classmethod
    def _says_which(cls, value: Any, checked: ValidatorFunctionWrapHandler) -> Any:
        try:
            return checked(value)
        except ValidationError as error:
            known = f"{', '.join(cls.known_weights)}, or a weight above 0 for each class"
            raise ValueError(f"{value!r} is not one of {known}") from error

    @property
    def is_onehot(self) -> bool:
        """Whether each category is a feature of its own."""
        return False


def class_weights(asked: TrainerConfig, labels: Labels) -> Any:
    """Returns the weights as scikit-learn takes them. Raises ComponentError for a class that is not there."""
    if not isinstance(asked.class_weight, dict):
        return None if asked.class_weight == "none" else asked.class_weight
    known = {text_of(name): name for name in np.unique(labels).tolist()}
    given = {text_of(name): weight for name, weight in asked.class_weight.items()}
    if wrong := [name for name in given if name not in known]:
        raise ComponentError(f"model: class_weight: no class {wrong[0]!r}; there are {', '.join(known)}")
    if lacking := [name for name in known if name not in given]:
        raise ComponentError(f"model: class_weight: no weight for class {lacking[0]!r}: give each class one")
    return {known[name]: weight for name, weight in given.items()}


def check_options(
    key: str, given: Mapping[str, Any], estimator: Any, noun: str, taken: tuple[str, ...]
) -> None:
    """Raises ComponentError for an option that an estimator lacks, or that is said elsewhere (`taken`)."""
    options = estimator.get_params()
    for name in given:
        if name not in options or name in taken:
            near = difflib.get_close_matches(name, set(options) - set(taken), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ComponentError(f"model: {key}.{name}: no such option of {noun}{hint}")
