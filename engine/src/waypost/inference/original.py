"""The model as MLflow loads it: MLflow's own code reads requests, calls it, and writes the replies."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waypost.compat import mlflow_serving as serving
from waypost.compat.mlflow_serving import RefusedError, rows_in
from waypost.contracts.mlmodel import MLmodel
from waypost.inference.compiled import Answer
from waypost.inference.frames import frame_of
from waypost.inference.layout import Layout, TableError
from waypost.inference.limits import Limits, RequestError
from waypost.inference.table import Table, from_arrow

if TYPE_CHECKING:
    import pyarrow as pa

_ONE_THREAD_ROWS = 1
"""For one row, threads of BLAS and OpenMP cost more than they save."""


@dataclass(frozen=True)
class Response:
    """The body of MLflow's reply, with its timing, and input and output for logging."""

    body: bytes
    rows: int
    parse: float
    predict: float
    data: Any
    answer: Any


class Original:
    """A model that MLflow loaded. Thread-safe."""

    layout: Layout

    def __init__(self, model: Any, mlmodel: MLmodel) -> None:
        self.layout = Layout(mlmodel.inputs)
        self.model = model
        self._chances = serving.asked_by(model, "predict_proba")

    @property
    def estimator(self) -> Any:
        """The fitted scikit-learn estimator; None for another flavour."""
        return serving.raw(self.model)

    @cached_property
    def classes(self) -> NDArray[Any] | None:
        """The classes of the target, None for a model without classes, or with several targets."""
        found = getattr(self.estimator, "classes_", None)
        return found if isinstance(found, np.ndarray) and found.ndim == 1 else None

    def warm(self) -> None:
        """Prepares what the first request would otherwise wait for."""
        serving.serve_as_mlflow()
        _ = _one_thread.libraries

    def respond(
        self, kind: str, body: bytes | dict[str, Any], limits: Limits, *, chances: bool, keeps: bool
    ) -> Response:
        """Returns MLflow's reply to a body, with class probabilities if `chances`, and with input and output
        if `keeps`. Raises RequestError if MLflow or the model refuses it, or it has too many rows.
        """
        question = _Recorder(self.model, limits)
        began = time.perf_counter()
        try:
            reply = serving.invoked(question, kind, body)
        except RefusedError as error:
            raise question.refusal or RequestError(line_of(error)) from error
        if chances:
            reply = self._with_chances(reply, question.data)
        return Response(
            reply,
            question.rows,
            question.began - began,
            question.seconds,
            question.data if keeps else None,
            question.answer if keeps else None,
        )

    def _with_chances(self, reply: bytes, data: Any) -> bytes:
        chances = self._probabilities(data)
        return self.with_chances(reply, None if chances is None else chances.tolist())

    def with_chances(self, reply: bytes, chances: list[Any] | None) -> bytes:
        """Returns a reply with the probability of each class. Raises RequestError if there are none."""
        if self.classes is None or chances is None:
            raise RequestError("params: this model has no probabilities")
        more = {"classes": self.classes.tolist(), "probabilities": chances}
        return reply[:-1] + b", " + json.dumps(more).encode()[1:]

    def of_table(self, table: pa.Table) -> Answer:
        """Returns the answers for the rows of an Arrow table. Raises TableError if they are refused."""
        return self.of_frame(frame_of(table, self.layout.columns))

    def of_frame(self, frame: Any) -> Answer:
        """Returns the answers for the rows of a pandas frame. Raises TableError if they are refused."""
        try:
            with _one_thread.for_rows(len(frame)):
                labels = labels_of(serving.refused_by(self.model, frame), len(frame))
                chances = self._probabilities(frame)
        except RefusedError as error:
            raise TableError(line_of(error)) from error
        return Answer(labels, np.empty((len(frame), 0)) if chances is None else chances)

    def _probabilities(self, data: Any) -> Any:
        """Returns the probability of each class, None for a model without, or with several targets."""
        if self._chances is None or self.classes is None:
            return None
        return np.asarray(serving.refused_by(self._chances, data))


class _Recorder:
    """The model as MLflow's server calls it: records input and output, and checks the number of rows."""

    def __init__(self, model: Any, limits: Limits) -> None:
        self._model = model
        self._limits = limits
        self.data: Any = None
        self.answer: Any = None
        self.rows = 0
        self.began = self.seconds = 0.0
        self.refusal: RequestError | None = None

    @property
    def metadata(self) -> Any:
        return self._model.metadata

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Returns the model's answer; MLflow's server calls it after reading the request."""
        self.began = time.perf_counter()
        self.data, self.rows = data, rows_in(data)
        try:
            self._limits.check_rows(self.rows, Layout(()))
        except RequestError as error:
            self.refusal = error
            raise
        with _one_thread.for_rows(self.rows):
            self.answer = self._model.predict(data, params=params)
        self.seconds = time.perf_counter() - self.began
        return self.answer


def labels_of(answer: Any, rows: int) -> NDArray[Any]:
    """Returns an answer per row, shape (rows, …); a table with several columns as records.

    Raises RefusedError if there are not as many answers as rows.
    """
    import pandas as pd

    if isinstance(answer, pd.DataFrame) and len(answer.columns) == 1:
        answer = answer.iloc[:, 0]
    if isinstance(answer, (pd.Series, np.ndarray)):
        return counted(np.asarray(answer), rows)
    return counted(as_objects(serving.jsonable(answer)), rows)


def counted(found: NDArray[Any], rows: int) -> NDArray[Any]:
    """Returns answers unchanged. Raises RefusedError if their number differs from that of the rows."""
    if found.ndim == 0 or len(found) != rows:
        count = "one answer" if found.ndim == 0 else f"{len(found)} answers"
        raise RefusedError(f"the model gives {count} for {rows} rows")
    return found


def as_objects(answer: Any) -> NDArray[Any]:
    """Returns the answers in JSON, one for each entry of a list."""
    if not isinstance(answer, (list, tuple)):
        return np.array(answer, dtype=object)
    found = np.empty(len(answer), dtype=object)
    for place, value in enumerate(answer):  # one by one: NumPy would turn lists of equal length into a table
        found[place] = value
    return found


def line_of(error: RefusedError) -> str:
    """Returns the message for rows that a model refuses."""
    return f"the model refuses the rows: {' '.join(str(error).split())[:400]}"


class _OneThread:
    """Limits BLAS and OpenMP to one thread while a row is answered, if threadpoolctl is installed.

    OpenMP's limit is per calling thread. That of BLAS is per process: the first thread sets it, the last one
    lifts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._blas: Any = None

    @cached_property
    def libraries(self) -> Any:
        """The libraries loaded at the first call, or None if unknown."""
        try:
            from threadpoolctl import ThreadpoolController
        except ImportError:
            return None
        return ThreadpoolController()

    @contextlib.contextmanager
    def for_rows(self, rows: int) -> Iterator[None]:
        """Applies within the context, if there is at most one row."""
        if rows > _ONE_THREAD_ROWS or self.libraries is None:
            yield
            return
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._blas = self.libraries.select(user_api="blas").limit(limits=1)
                self._blas.__enter__()
        try:
            with self.libraries.select(user_api="openmp").limit(limits=1):
                yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._blas.__exit__(None, None, None)


_one_thread = _OneThread()


def sampled(response: Response, layout: Layout) -> tuple[Table, Answer] | None:
    """Returns a model's input and output as rows of its columns, or None if that is impossible."""
    import pandas as pd
    import pyarrow as pa

    try:
        frame = response.data if isinstance(response.data, pd.DataFrame) else pd.DataFrame(response.data)
        table = from_arrow(pa.Table.from_pandas(frame, preserve_index=False), layout)
        return table, Answer(labels_of(response.answer, response.rows), np.empty((response.rows, 0)))
    except (TableError, RefusedError, pa.ArrowException, TypeError, ValueError):
        return None
