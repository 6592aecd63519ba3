"""Small real models, logged as MLflow logs them."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SKOPS_TYPES = ["numpy.dtype", "numpy.ravel", "operator.methodcaller", "sklearn.tree._tree.Tree"]
CITIES = ["Berlin", "Zürich", "Ōsaka", "", "Łódź"]
WORDS = ["red", "green", "Blue", "naïve", "東京", "loan", "car_2", "a", "x1"]


def frame(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Returns a table of numbers, categories and texts; every column but `amount` has missing values."""
    choose = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "amount": choose.normal(100, 40, rows).round(2),
            "age": choose.integers(18, 90, rows).astype("float64"),
            "city": choose.choice(CITIES, rows),
            "kind": choose.choice(["own", "rent"], rows),
            "note": [" ".join(choose.choice(WORDS, choose.integers(0, 7))) for _ in range(rows)],
        }
    )
    for name in ("age", "city", "kind", "note"):
        table[name] = table[name].astype("object").where(choose.random(rows) > 0.1, None)
    table["age"] = table["age"].astype("float64")
    return table


def labels(table: pd.DataFrame, classes: int = 4) -> np.ndarray[Any, Any]:
    """Returns a class per row that depends on the columns, as text."""
    score = table["amount"] + 30 * (table["city"] == "Zürich") + table["age"].fillna(50) / 2
    return pd.qcut(score, classes, labels=[f"grade {i}" for i in range(classes)]).astype(str).to_numpy()


def full_pipeline(*, encode: Any = "ordinal", forest: Any = None, words: Any = None) -> Any:
    """Returns numbers, categories and text before a forest, as the component library builds them."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

    known = FunctionTransformer(operator.methodcaller("fillna", ""))
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    text = make_pipeline(known, FunctionTransformer(np.ravel), words or TfidfVectorizer(min_df=2))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = {"ordinal": ordinal, "onehot": onehot}[encode] if isinstance(encode, str) else encode
    categories = make_pipeline(known, encoder)
    parts = [
        ("numbers", numbers, ["amount", "age"]),
        ("categories", categories, ["city", "kind"]),
        ("words", text, ["note"]),
    ]
    trees = RandomForestClassifier(20, random_state=0) if forest is None else forest
    return Pipeline([("features", ColumnTransformer(parts)), ("forest", trees)])


def save(model: Any, table: pd.DataFrame, folder: Path, *, format: str = "skops") -> Path:  # noqa: A002 (as MLflow calls it)
    """Saves a fitted model with signature and input example; returns the folder."""
    import mlflow
    from mlflow.models import infer_signature

    mlflow.sklearn.save_model(
        model,
        str(folder),
        serialization_format=format,
        skops_trusted_types=SKOPS_TYPES if format == "skops" else None,
        signature=infer_signature(table, pd.Series(model.predict(table.head(20)), name="grade")),
        input_example=table.head(3),
        pip_requirements=[],
    )
    return folder
