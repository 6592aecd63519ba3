"""Has the data drifted away from the reference? Two-sample tests, corrected for their number."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from check_data.rules import Drift, Result
from componentkit.arguments import ComponentError
from componentkit.tables import near


def drift_results(data: pd.DataFrame, reference: pd.DataFrame, drift: Drift) -> list[Result]:
    """Tests every listed column; a result fails where the distribution differs at `alpha`.

    Numeric: two-sample Kolmogorov-Smirnov. Categorical: chi-square test of homogeneity. The
    p-values are corrected by Holm (1979), so that `alpha` is the chance of any false alarm.
    """
    statistic: dict[str, str] = {}
    p_values: dict[str, float] = {}
    broken: list[Result] = []
    for kind, names in (("KS", drift.numeric), ("chi-square", drift.categorical)):
        for name in names:
            rule = f"no drift ({kind})"
            sides = [side[name].dropna() for side in (data, reference) if name in side]
            if len(sides) < 2 or any(side.empty for side in sides):
                there = f"no such column{near(name, data.columns)}"
                why = there if len(sides) < 2 else "all values are missing"
                broken.append(Result(rule, name, passed=False, detail=why))
                continue
            try:
                value, p_values[name] = (_ks if kind == "KS" else _chi_square)(*sides)
            except (TypeError, ValueError) as error:
                raise ComponentError(f"column {name!r}: {rule}: {error}") from error
            statistic[name] = f"{kind} {value:.4g}"
    corrected = holm(p_values)
    return broken + [
        Result(
            f"no drift ({statistic[name].split()[0]})",
            name,
            p >= drift.alpha,
            detail=f"{statistic[name]}, p {p_values[name]:.3g}, corrected {p:.3g}",
        )
        for name, p in corrected.items()
    ]


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Returns p-values corrected by Holm's step-down method, in the given order."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}


def _ks(data: pd.Series, reference: pd.Series) -> tuple[float, float]:
    result = stats.ks_2samp(data.astype("float64"), reference.astype("float64"))
    return float(result.statistic), float(result.pvalue)


def _chi_square(data: pd.Series, reference: pd.Series) -> tuple[float, float]:
    counts = pd.DataFrame({"d": data.value_counts(), "r": reference.value_counts()}).fillna(0)
    if len(counts) < 2:
        return 0.0, 1.0  # one category on both sides: nothing can differ
    result = stats.chi2_contingency(counts.to_numpy(dtype=np.float64).T)
    return float(result.statistic), float(result.pvalue)
