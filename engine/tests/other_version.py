"""Random models fitted, compiled and asked with the scikit-learn that is installed, for a process that has
another one: `python -m tests.other_version FOLDER MODELS`.
"""

from __future__ import annotations

import pickle
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from tests import random_models
from waypost.contracts.mlmodel import Column
from waypost.inference.compiling import compiled_form

KINDS = [kind for kind in random_models.KINDS if kind not in random_models.LIBRARIES]
_ROWS = 12


def form_of(model: Any, columns: tuple[Column, ...]) -> tuple[str, bytes | None]:
    """Returns the compiled form of a model, as it is stored."""
    content, trees = compiled_form(model, columns)
    return content.model_dump_json(), trees


def main(folder: Path, models: int) -> None:
    """Writes for each model: version, pickle, columns, rows, form, and the answer to each row."""
    import sklearn

    warnings.simplefilter("ignore")
    for kind in KINDS:
        for number in range(models):
            choose = random.Random(f"{kind} {number}")
            model, learned = random_models.made(kind, choose)
            asked = random_models.table(choose, _ROWS)[list(learned.columns)].astype(learned.dtypes.to_dict())
            said = [_said(model, asked.iloc[row : row + 1]) for row in range(_ROWS)]
            columns = random_models.columns_of(learned)
            form = form_of(model, columns)
            content = sklearn.__version__, pickle.dumps(model), columns, asked, form, said
            (folder / f"{kind}-{number}.pickle").write_bytes(pickle.dumps(content))


def _said(model: Any, row: pd.DataFrame) -> tuple[Any, Any] | None:
    """Returns the label of a row and its probabilities, None where the row is refused."""
    try:
        return model.predict(row)[0], model.predict_proba(row)[0] if hasattr(model, "classes_") else None
    except ValueError:
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
