"""MLflow's scoring protocol: from the body of a request to a table.

Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally, "inference server specification".
Bodies of Parquet and Arrow streams are Waypost's addition.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import orjson

from waypost.inference.columnar import ARROW, PARQUET, read_columnar
from waypost.inference.delimited import read_csv
from waypost.inference.layout import Layout, OddError, TableError
from waypost.inference.limits import Limits, RequestError
from waypost.inference.table import Rows, Table, from_arrow
from waypost.serving.json_tables import checked_object, json_table

JSON, CSV = "application/json", "text/csv"
TYPES = (JSON, CSV, PARQUET, ARROW)

Unpack = Callable[[str, bytes, Layout, Limits], Table]
"""Returns the table in a Parquet or Arrow body. Raises TableError."""


def content_type(header: str) -> str:
    """Returns the kind of a body by its Content-Type. Raises RequestError (415) for unsupported ones."""
    if header in TYPES:  # as in nearly every request
        return header
    kind, _, rest = header.partition(";")
    kind = kind.strip().lower()
    if kind not in TYPES:
        given = repr(kind) if kind else "no Content-Type"
        raise RequestError(f"{given} cannot be read", status=415, hint=f"send one of: {', '.join(TYPES)}")
    name, _, value = rest.partition("=")
    if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
        raise RequestError(f"the charset {value.strip()!r} cannot be read", status=415, hint="send utf-8")
    return kind


def parsed(kind: str, body: bytes) -> Any:
    """Returns a parsed body: a dictionary for JSON, else the bytes. Raises RequestError."""
    return parsed_json(body) if kind == JSON else body


def parsed_json(body: bytes) -> dict[str, Any]:
    """Returns the object that a body in JSON is. Raises RequestError."""
    try:
        content = orjson.loads(body)
    except ValueError:
        content = _parsed_as_python_writes(body)
    return checked_object(content)


def _parsed_as_python_writes(body: bytes) -> Any:
    """Returns parsed JSON with NaN for missing values, as MLflow's own client writes it."""
    try:
        # Halves of UTF-16 pairs and integers beyond 64 bits have no representation later.
        content = json.loads(body, parse_constant=_constant, parse_float=_finite)
        return orjson.loads(orjson.dumps(content))
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError(f"the body is not valid JSON: {error}") from error


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise OddError(f"{text[:40]} is larger than any 64-bit number")
    return value


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is not a number")


def table_of(
    kind: str, content: Any, layout: Layout, limits: Limits, unpack: Unpack = read_columnar
) -> tuple[Table | Rows, bool]:
    """Returns (table, whether probabilities are requested). Raises TableError, RequestError."""
    if kind == JSON:
        return json_table(content, layout, limits)
    if kind == CSV:
        return _from_csv(content, layout, limits), False
    return unpack(kind, content, layout, limits), False


def _from_csv(body: bytes, layout: Layout, limits: Limits) -> Table:
    import pyarrow as pa

    try:
        table = read_csv(body, layout)
    except TableError as error:
        raise (_odd(error) if isinstance(error.__cause__, pa.ArrowInvalid) else error) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise OddError(f"the body is not valid {CSV}: {_one_line(error)}") from error
    limits.check_rows(table.num_rows, layout)
    return from_arrow(table, layout)


def _odd(error: TableError) -> OddError:
    return OddError(str(error), column=error.column, row=error.row, hint=error.hint)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
