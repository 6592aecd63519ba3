"""Compiles fitted transformers of numbers to steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from waypost.inference.learned import NotCompilableError
from waypost.inference.steps import Binned, Chosen, Filled, Products, Scaled, Step


def number_steps(given: Sequence[Any], *, is_sparse: bool = False) -> list[Step]:
    """Returns the steps of fitted transformers, applied one after the other.

    Args: `is_sparse`: their input is a sparse matrix, which scikit-learn scales by other operations. Raises
    NotCompilableError with a transformer without a compiled form.
    """
    return [step for one in given if (step := _step(one, is_sparse=is_sparse)) is not None]


def _step(one: Any, *, is_sparse: bool) -> Step | None:
    from sklearn import feature_selection, impute, preprocessing

    if isinstance(one, preprocessing.FunctionTransformer):
        if one.func is None or is_checking(one.func):
            return None
        raise NotCompilableError("FunctionTransformer with its own function")
    if isinstance(one, impute.SimpleImputer):
        return _filled(one)
    if isinstance(one, preprocessing.PolynomialFeatures) and not is_sparse:
        return Products(terms=[np.repeat(np.arange(len(row)), row).tolist() for row in one.powers_])
    if isinstance(one, preprocessing.KBinsDiscretizer) and not is_sparse:
        edges = [edge[1:-1].tolist() for edge in one.bin_edges_]
        return Binned(edges=edges, spread=one.encode != "ordinal")
    if isinstance(one, feature_selection.SelectorMixin):
        return Chosen(places=one.get_support(indices=True).tolist())
    return _scaled(one, is_sparse=is_sparse)


def is_checking(function: Any) -> bool:
    """Returns whether a function returns its input unchanged after checking it."""
    from sklearn.utils import check_array

    if getattr(function, "func", None) is not check_array:
        return False
    given = function.keywords.get("dtype")
    return given in (np.float64, [np.float64])  # another one rounds


def _filled(one: Any) -> Filled:
    sign = one.missing_values
    if sign is not None and not isinstance(sign, (int, float)):
        raise NotCompilableError(f"SimpleImputer for which {sign!r} is a missing value")
    values = np.asarray(one.statistics_, dtype=np.float64)
    empty = 0.0 if one.keep_empty_features else None
    fills = [empty if np.isnan(value) else float(value) for value in values]
    flags = one.indicator_.features_.tolist() if one.add_indicator else []
    is_nan = sign is None or np.isnan(sign)
    return Filled(values=fills, flags=flags, sign=None if sign is None or is_nan else float(sign))


def _scaled(one: Any, *, is_sparse: bool) -> Scaled:
    from sklearn import preprocessing

    if isinstance(one, preprocessing.MinMaxScaler) and not is_sparse:
        low, high = one.feature_range if one.clip else (None, None)
        return Scaled(multiply=one.scale_.tolist(), add=one.min_.tolist(), low=low, high=high)
    subtract = divide = None
    if isinstance(one, preprocessing.StandardScaler):
        subtract, divide = one.mean_ if one.with_mean else None, one.scale_
    elif isinstance(one, preprocessing.RobustScaler):
        subtract = one.center_ if one.with_centering else None
        divide = one.scale_ if one.with_scaling else None
    elif isinstance(one, preprocessing.MaxAbsScaler) and not getattr(one, "clip", False):
        divide = one.scale_
    else:
        raise NotCompilableError(f"{type(one).__name__} has no compiled form")
    less = None if subtract is None else np.asarray(subtract, dtype=np.float64).tolist()
    if is_sparse:
        factors = None if divide is None else (1.0 / divide).tolist()
        return Scaled(subtract=less, multiply=factors)
    by = None if divide is None else np.asarray(divide).tolist()
    return Scaled(subtract=less, divide=by, rounded=isinstance(one, preprocessing.StandardScaler))
