"""The original in the model's own environment: a process that receives messages."""

from __future__ import annotations

import json
import os
import signal
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waypost.compat import mlflow_serving
from waypost.compat.mlflow_serving import RefusedError
from waypost.contracts.mlmodel import MLmodel
from waypost.errors import WaypostError
from waypost.inference import model_process
from waypost.inference.compiled import Answer
from waypost.inference.frames import fitted
from waypost.inference.layout import Layout, TableError
from waypost.inference.limits import Limits, RequestError
from waypost.inference.original import Original, Response, as_objects, counted, line_of
from waypost.runs.environments import Environment
from waypost.system import messages
from waypost.system.conversations import Companion

if TYPE_CHECKING:
    import pyarrow as pa

LOADING_SECONDS = 300.0
A_DAY = 86_400.0
_MOST_MESSAGE = 1 << 40  # the model is trusted
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_AGAIN = "ask again later"


class Remote(Original):
    """A model loaded by a process in its own environment. Thread-safe; requests are answered one by one.

    A process that crashes, or takes longer than `seconds`, is ended; the next request starts another one.
    """

    def __init__(
        self, folder: Path, mlmodel: MLmodel, environment: Environment, *, seconds: float = A_DAY
    ) -> None:
        self.layout = Layout(mlmodel.inputs)
        self._folder = folder
        self._environment = environment
        self._seconds = seconds
        self._lock = threading.Lock()
        self._companion: Companion | None = None
        self._classes: list[Any] | None = None
        self._serves = False

    def __del__(self) -> None:
        self.end()

    def end(self) -> None:
        """Ends the process, if there is one."""
        if self._companion:
            self._companion.end()

    @property
    def estimator(self) -> Any:
        """None: the fitted estimator stays in the other process."""
        return None

    @cached_property
    def classes(self) -> NDArray[Any] | None:
        """The classes of the target, None for a model without. Raises WaypostError if it does not load."""
        with self._lock:
            self._running()
        return None if self._classes is None else np.asarray(self._classes)

    def warm(self) -> None:
        """Loads the model as a server does. Raises WaypostError if it does not load."""
        self._serves = True
        _ = self.classes

    def respond(
        self, kind: str, body: bytes | dict[str, Any], limits: Limits, *, chances: bool, keeps: bool
    ) -> Response:
        """Returns the reply of MLflow's server in the other process, as `Original.respond` does."""
        asked = {"is_table": False, "kind": kind, "rows": limits.rows, "chances": chances, "keeps": keeps}
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        head, rest = self._asked(asked, content)
        limits.check_rows(head.get("rows", 0), Layout(()))
        if "refused" in head:
            raise RequestError(line_of(RefusedError(head["refused"])))
        size = head["size"]
        reply = bytes(rest[:size])
        if chances:
            reply = self.with_chances(reply, head["chances"])
        data = _table(rest[size:]) if keeps else None
        answers = as_objects(json.loads(reply).get("predictions")) if data is not None else None
        return Response(reply, head["rows"], head["parse"], head["predict"], data, answers)

    def of_table(self, table: pa.Table) -> Answer:
        """Returns the answers for the rows of an Arrow table, as `Original.of_table` does."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        asked = fitted(table, self.layout.columns)
        with pa.ipc.new_stream(sink, asked.schema) as writer:
            writer.write_table(asked)
        try:
            head, _ = self._asked({"is_table": True, "chances": self.classes is not None}, sink.getvalue())
        except RequestError as error:  # not the fault of a row
            raise WaypostError(str(error)) from error
        try:
            labels = _labels(head, len(table))
        except RefusedError as error:
            raise TableError(line_of(error)) from error
        chances = head["chances"]
        return Answer(labels, np.empty((len(table), 0)) if chances is None else np.asarray(chances))

    def of_frame(self, frame: Any) -> Answer:
        """Returns the answers for the rows of a pandas frame. Raises TableError if they are refused."""
        import pyarrow as pa

        return self.of_table(pa.Table.from_pandas(frame, preserve_index=False))

    def _asked(self, asked: dict[str, Any], *rest: messages.Bytes) -> tuple[dict[str, Any], memoryview]:
        """Returns the process' answer to a message. Raises RequestError if there is none."""
        if not self._lock.acquire(timeout=self._seconds):
            raise RequestError("the model is busy with other requests", status=503, hint=_AGAIN)
        try:
            companion = self._running()
            try:
                return _told(companion, asked, *rest, seconds=self._seconds)
            except TimeoutError:
                companion.end()
                problem = f"no answer within {self._seconds:g} s"
                raise RequestError(problem, status=504, hint="send fewer rows") from None
            except (EOFError, OSError):
                problem = f"the model's process has crashed ({_how(companion.end())})"
                raise RequestError(problem, status=503, hint=_AGAIN) from None
        finally:
            self._lock.release()

    def _running(self) -> Companion:
        """Returns the process, starting it if needed. The caller holds the lock."""
        if self._companion is None or not self._companion.is_alive():
            self._companion = None
            self._companion = self._started()
        return self._companion

    def _started(self) -> Companion:
        files = [model_process.__file__, messages.__file__, mlflow_serving.__file__, str(self._folder)]
        companion = Companion([str(self._environment.python), *files], env=self._variables())
        try:
            head, _ = _told(companion, {}, seconds=LOADING_SECONDS)
            self._check(head)
        except (TimeoutError, EOFError, OSError) as error:
            how = _how(companion.end())
            raise WaypostError(f"{self._folder}: loading it crashed its process ({how})") from error
        except BaseException:
            companion.end()
            raise
        self._classes = head["classes"]
        return companion

    def _check(self, head: dict[str, Any]) -> None:
        """Raises WaypostError unless a process reports that it loaded the model."""
        if name := head.get("missing"):
            problem = f"it needs the module {name!r}, which is not in its environment"
            hint = "log the model with it: pip_requirements=[…], or code_paths=[…] for modules of your own"
            raise WaypostError(f"{self._folder}: it cannot be loaded: {problem}", hint=hint)
        if words := head.get("failed"):
            raise WaypostError(f"{self._folder}: it cannot be loaded in its environment: {words}")

    def _variables(self) -> dict[str, str]:
        variables = {**os.environ, **self._environment.variables()}
        if self._serves:  # as for originals here: for one row, threads cost more than they save
            variables = {**dict.fromkeys(_THREADS, "1"), **variables, mlflow_serving.SERVES: "true"}
        return variables


def _told(
    companion: Companion, asked: dict[str, Any], *rest: messages.Bytes, seconds: float
) -> tuple[dict[str, Any], memoryview]:
    head, content = companion.ask(json.dumps(asked).encode(), *rest, most=_MOST_MESSAGE, seconds=seconds)
    return json.loads(head), content


def _labels(head: dict[str, Any], rows: int) -> NDArray[Any]:
    """Returns an answer per row. Raises RefusedError if there are none."""
    if "refused" in head:
        raise RefusedError(head["refused"])
    return counted(as_objects(head["labels"]), rows)


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _table(content: memoryview) -> Any:
    """Returns a model's input frame, or None if it was not a table."""
    import pyarrow as pa

    if not content:
        return None
    with pa.ipc.open_stream(pa.py_buffer(content)) as stream:
        return stream.read_all().to_pandas()
