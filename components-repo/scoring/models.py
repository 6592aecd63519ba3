"""Models as trainers hand them over: scikit-learn flavour, with a signature, and metadata."""

from __future__ import annotations

from typing import Any

from componentkit.arguments import ComponentError


def load(path: str, task: str = "", *, measured: bool = True) -> tuple[Any, Any]:
    """Returns (scikit-learn model, MLflow's model info). Raises ComponentError for anything else.

    One of classes has to give probabilities where it is to be `measured`.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        info = mlflow.models.get_model_info(path)
        model = mlflow.sklearn.load_model(path)
    except MlflowException as error:
        raise ComponentError(f"model: {' '.join(str(error).split())}") from error
    if info.signature is None:
        raise ComponentError("model: it has no signature, which says what its columns are")
    if measured and task_of(info.metadata, task) == "classification" and not hasattr(model, "predict_proba"):
        raise ComponentError(
            "model: it gives no probabilities of classes, which are what is measured;"
            " if it predicts numbers, say so: --task regression"
        )
    return model, info


def task_of(metadata: dict[str, Any] | None, asked: str) -> str:
    """Returns what a model predicts: what is asked for, else what its metadata says, else classes."""
    return asked or str((metadata or {}).get("task", "classification"))
