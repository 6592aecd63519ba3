"""How MLflow's scoring server reads a body, asks a model and writes its reply: by its own code.

It imports nothing of Waypost: a model's own environment runs it, too (`inference/model_process.py`). None of
it is documented: `scoring_server.invocations`, `proto_json_utils`, scikit-learn's wrapper. Seen with MLflow
2.3, 2.9, 2.22 and 3.17. It imports MLflow when it is called.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class RefusedError(Exception):
    """MLflow refuses a request, or the model does; the text says why, in one line."""


class Model(Protocol):
    """What MLflow's server asks of a model."""

    @property
    def metadata(self) -> Any: ...

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any: ...


def invoked(model: Model, kind: str, body: bytes | dict[str, Any]) -> bytes:
    """Returns the body of the server's reply to a request. Raises RefusedError.

    Args: `kind` is a content type that the server takes; `body` may be parsed JSON.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import scoring_server

    server: Any = scoring_server  # it has no types
    given = _text(body) if kind == "text/csv" and isinstance(body, bytes) else body  # as MLflow 2 wants it
    try:
        if not hasattr(server, "invocations"):
            return _invoked_by_flask(server.init(model), kind, given)
        reply = server.invocations(given, kind, model, model.metadata.get_input_schema())
    except MlflowException as error:
        raise RefusedError(_reason(error)) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise RefusedError(f"the answer cannot be written as JSON: {error}") from error
    if reply.status != 200:
        raise RefusedError(reply.response)
    return bytes(reply.response, "utf-8")


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(f"the body is not UTF-8: {error}") from error


def _invoked_by_flask(app: Any, kind: str, body: Any) -> bytes:
    """Returns the body of the reply of an MLflow before 2.4, which answers in its web application alone."""
    reply = app.test_client().post("/invocations", data=body, content_type=kind)
    text = reply.get_data(as_text=True)
    if reply.status_code == 200:
        return bytes(text, "utf-8")
    content = (reply.get_json(silent=True) if reply.is_json else None) or {"message": text}
    trace = str(content.get("stack_trace") or "").strip()
    raise RefusedError(trace.rpartition("\n")[2] or content.get("message", ""))


def _reason(error: Exception) -> str:
    """Returns what is at the bottom of an error: MLflow wraps it, and repeats the data."""
    inner = error.__context__ or error.__cause__
    if inner is not None and not type(inner).__module__.startswith("mlflow."):
        return f"{type(inner).__name__}: {inner}"
    return str(getattr(error, "message", error)).rpartition("Error: ")[2]


def refused_by(model: Any, data: Any) -> Any:
    """Returns what a model answers. Raises RefusedError where MLflow or the model refuses the data."""
    from mlflow.exceptions import MlflowException

    try:
        return model.predict(data)
    except MlflowException as error:
        raise RefusedError(_reason(error)) from error
    except Exception as error:  # whatever a model raises about what it is given
        raise RefusedError(f"{type(error).__name__}: {error}") from error


def rows_in(data: Any) -> int:
    """Returns how many rows a model is asked about, whatever it is asked with."""
    if isinstance(data, dict):
        return max((len(values) for values in data.values() if _is_sized(values)), default=1)
    return len(data) if _is_sized(data) else 1


def _is_sized(values: Any) -> bool:
    is_text = isinstance(values, (str, bytes, dict))
    return hasattr(values, "__len__") and not is_text and getattr(values, "ndim", 1) != 0


def frame(model: Model, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """Returns the pandas frame that the server makes of `dataframe_split`."""
    from mlflow.utils import proto_json_utils

    read: Any = proto_json_utils.dataframe_from_parsed_json
    content = {"columns": list(names), "data": rows}
    return read(content, "split", model.metadata.get_input_schema())


def jsonable(answer: Any) -> Any:
    """Returns an answer as the server says it in JSON: a table as records."""
    from mlflow.utils import proto_json_utils

    convert: Any = proto_json_utils._get_jsonable_obj
    return convert(answer, pandas_orient="records")


FUNCTIONS = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")
"""What a scikit-learn model may be asked by, as `pyfunc_predict_fn` says it."""


def sklearn_model(folder: Path, estimator: Any, function: str) -> Any:
    """Returns the pyfunc of a scikit-learn model whose estimator was loaded by us."""
    import mlflow.sklearn
    from mlflow.models import Model as Metadata
    from mlflow.pyfunc import PyFuncModel

    wrap: Any = mlflow.sklearn._SklearnModelWrapper
    return PyFuncModel(Metadata.load(str(folder)), wrap(estimator), predict_fn=function)


def asked_by(model: Any, function: str) -> Any:
    """Returns the same pyfunc, asked by another function of its own; None where it has no such function."""
    from mlflow.pyfunc import PyFuncModel

    inner = getattr(model, "_model_impl", None)
    return PyFuncModel(model.metadata, inner, predict_fn=function) if hasattr(inner, function) else None


def raw(model: Any) -> Any:
    """Returns what a pyfunc wraps: the estimator of a scikit-learn model; None where it does not say."""
    inner: Any = getattr(model, "_model_impl", None)
    return inner.get_raw_model() if hasattr(inner, "get_raw_model") else None


SERVES = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"
"""The variable by which MLflow knows that a process serves: type hints are read more widely then."""


def serve_as_mlflow() -> None:
    """Tells MLflow that this process serves."""
    os.environ[SERVES] = "true"


def load_model(folder: str) -> Any:
    """Returns a model as a pyfunc. Raises what its files and MLflow make of it."""
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(folder, suppress_warnings=True)
