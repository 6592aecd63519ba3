"""The model as MLflow keeps it: skops format, signature, example, and metadata for whoever asks it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pandas as pd
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from training.config import TrainerConfig
from training.known import known_columns

_TYPES = {"float64": "double", "int64": "long", "bool": "boolean", "object": "boolean"}


def signature_of(features: pd.DataFrame, predicted: pd.Series) -> Any:
    """Returns the MLflow signature of a feature table in its own types.

    What has gaps here may have them later.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema

    inputs: list[Any] = [
        ColSpec(_TYPES.get(str(column.dtype), "string"), str(name), required=not column.isna().any())
        for name, column in features.items()
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=infer_signature(predicted).inputs)


def metadata_of(
    model: Pipeline,
    features: pd.DataFrame,
    target: str,
    config: TrainerConfig,
    *,
    task: str,
    classes: list[Any],
) -> dict[str, Any]:
    """Returns what a trainer promises to say of its model; numbers have no classes.

    A threshold is said with what it was chosen by, so that it can be measured by the same.
    """
    metadata: dict[str, Any] = {
        "target": target,
        "task": task,
        "classes": classes,
        "features": config.features.model_dump(),
        "columns": known_columns(features, config.features.categorical),
    }
    last = model.steps[-1][1]
    if isinstance(last, FixedThresholdClassifier):
        by = (
            config.threshold.model_dump(exclude_none=True, exclude={"positive", "value"})
            if config.threshold
            else {}
        )
        metadata["threshold"] = {"class": last.pos_label, "value": last.threshold, **by}
    return metadata


def export(
    model: Pipeline,
    features: pd.DataFrame,
    metadata: dict[str, Any],
    digest: str,
    trusted: tuple[str, ...],
    packages: tuple[str, ...] = (),
) -> None:
    """Logs the model with MLflow, in the skops format: loading it executes no pickled code.

    Args: digest is that of the training data; trusted are the types beyond scikit-learn's own, packages what
    the model needs beside it: names, in the versions that are here, or requirements.
    """
    import mlflow

    predicted = pd.Series(model.predict(features.head(100)), name=metadata["target"])
    mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="skops",
        skops_trusted_types=list(trusted),
        signature=signature_of(features, predicted),
        input_example=features.head(3),
        metadata={**metadata, "training_data_sha256": digest},
        pip_requirements=[
            name if "==" in name else f"{name}=={version(name)}"
            for name in ("mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy", *packages)
        ],
    )
