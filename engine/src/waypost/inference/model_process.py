"""A model in its own environment, without Waypost.

Executed by the Python of that environment, it uses the standard library, MLflow, and two files of Waypost
that need nothing else: sending messages, and MLflow's server. The first message loads the model; then it
answers request bodies and tables, one after the other.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import socket
import sys
import threading
import time
from typing import Any

_MOST_MESSAGE = 1 << 40  # the peer is trusted
_LONGEST = 400


class _TooManyError(Exception):
    """The request has too many rows."""


class _Recorder:
    """The model as MLflow's server calls it: records its input, and checks the number of rows."""

    def __init__(self, model: Any, serving: Any, most: int) -> None:
        self._model = model
        self._serving = serving
        self._most = most
        self.data: Any = None
        self.rows = 0
        self.began = self.seconds = 0.0

    @property
    def metadata(self) -> Any:
        return self._model.metadata

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        self.began = time.perf_counter()
        self.data, self.rows = data, self._serving.rows_in(data)
        if self.rows > self._most:
            raise _TooManyError
        try:
            return self._model.predict(data, params=params) if params else self._model.predict(data)
        finally:
            self.seconds = time.perf_counter() - self.began


class Process:
    """A model that the first message loads. `serving` is the module `compat.mlflow_serving`."""

    def __init__(self, folder: str, serving: Any) -> None:
        self._folder = folder
        self._serving = serving
        self._model: Any = None
        self._chances: Any = None  # the same model, called for probabilities

    def answer(self, head: bytes, body: memoryview) -> tuple[dict[str, Any], bytes]:
        """Returns the header of an answer, and its payload."""
        asked = json.loads(head)
        try:
            if self._model is None:
                return self._load(), b""
            if asked["is_table"]:
                return self._of_table(body, wants=asked["chances"]), b""
            return self._reply(asked, body)
        except self._serving.RefusedError as error:
            return {"refused": _line(error)}, b""

    def _load(self) -> dict[str, Any]:
        try:
            self._model = self._serving.load_model(self._folder)
        except ModuleNotFoundError as error:
            return {"missing": error.name}
        except Exception as error:  # a damaged file, another version: MLflow's loaders raise anything
            return {"failed": f"{type(error).__name__}: {_line(error)}"}
        self._chances = self._serving.asked_by(self._model, "predict_proba")
        classes: Any = getattr(self._serving.raw(self._model), "classes_", None)
        return {"classes": classes.tolist() if getattr(classes, "ndim", 0) == 1 else None}

    def _reply(self, asked: dict[str, Any], body: memoryview) -> tuple[dict[str, Any], bytes]:
        """Returns the reply of MLflow's server to a request body, and the frame read from it."""
        question, began = _Recorder(self._model, self._serving, asked["rows"]), time.perf_counter()
        try:
            reply = self._serving.invoked(question, asked["kind"], bytes(body))
        except (self._serving.RefusedError, _TooManyError) as error:
            return {"refused": _line(error), "rows": question.rows}, b""
        except Exception as error:  # other versions of MLflow may raise anything: the process stays
            return {"refused": f"{type(error).__name__}: {_line(error)}", "rows": question.rows}, b""
        head: dict[str, Any] = {"rows": question.rows, "size": len(reply)}
        head |= {"parse": question.began - began, "predict": question.seconds}
        if asked["chances"]:
            head["chances"] = self._probabilities(question.data)
        return head, reply + (_arrow(question.data) if asked["keeps"] else b"")

    def _of_table(self, body: memoryview, *, wants: bool) -> dict[str, Any]:
        """Returns the answers for the rows of an Arrow stream."""
        import pyarrow as pa

        with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
            frame = stream.read_all().to_pandas()
        labels = _labels(self._serving.refused_by(self._model, frame), self._serving)
        return {"labels": labels, "chances": self._probabilities(frame) if wants else None}

    def _probabilities(self, data: Any) -> Any:
        if self._chances is None:
            return None
        return _labels(self._serving.refused_by(self._chances, data), self._serving)


def _labels(answer: Any, serving: Any) -> Any:
    """Returns answers as JSON; a table with several columns as records."""
    if getattr(answer, "ndim", 0) == 2 and hasattr(answer, "iloc") and len(answer.columns) == 1:
        answer = answer.iloc[:, 0]
    if hasattr(answer, "iloc") and answer.ndim == 1:
        answer = answer.to_numpy()
    return answer.tolist() if hasattr(answer, "dtype") else serving.jsonable(answer)


def _arrow(data: Any) -> bytes:
    """Returns a model's input as an Arrow stream, empty if it is not a table."""
    import pandas as pd
    import pyarrow as pa

    try:
        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError):
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:_LONGEST]


def _module(file: str) -> Any:
    """Returns a module by its file: its package is not installed here."""
    spec = importlib.util.spec_from_file_location(os.path.basename(file).partition(".")[0], file)  # noqa: PTH119
    if spec is None or spec.loader is None:
        raise ImportError(file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _end_with(number: int) -> None:
    """Ends this process when the other end of a socket is closed, whatever it is doing."""
    poll = select.poll()
    poll.register(number, 0)  # poll always reports that it is closed
    poll.poll()
    os._exit(0)


def main(messages_file: str, serving_file: str, folder: str, number: str) -> None:
    """Answers until the client is gone."""
    messages, process = _module(messages_file), Process(folder, _module(serving_file))
    threading.Thread(target=_end_with, args=[int(number)], daemon=True).start()
    with socket.socket(fileno=int(number)) as connection, contextlib.suppress(EOFError, OSError):
        while True:
            reply, rest = process.answer(*messages.receive(connection, _MOST_MESSAGE))
            try:
                head = json.dumps(reply).encode()
            except (TypeError, ValueError) as error:
                head, rest = (
                    json.dumps({"refused": f"the answer is not valid JSON: {_line(error)}"}).encode(),
                    b"",
                )
            messages.send(connection, head, rest)


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file, which the model must not import from
    main(*sys.argv[1:])
