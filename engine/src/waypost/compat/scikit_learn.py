"""What scikit-learn's estimators know and have no public attribute for. Seen with 1.7 and 1.9."""

from __future__ import annotations

from typing import Any


def positive_class(model: Any) -> Any:
    """Returns the class whose threshold a `TunedThresholdClassifierCV` tunes, None for the default."""
    return model._curve_scorer._get_pos_label()
