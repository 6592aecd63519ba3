"""MLflow's scoring protocol: from the body of a request to a table, from an answer to the body of a reply.

Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally, "inference server specification".
Parquet and Arrow stream bodies are ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from waypost.errors import did_you_mean
from waypost.inference.columnar import ARROW, PARQUET, read_columnar
from waypost.inference.compiled import Answer
from waypost.inference.delimited import read_csv
from waypost.inference.layout import Layout, OddError, TableError
from waypost.inference.limits import Limits, RequestError
from waypost.inference.table import Rows, Table, from_arrow, from_columns, from_rows

JSON, CSV = "application/json", "text/csv"
TYPES = (JSON, CSV, PARQUET, ARROW)
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
PROBABILITIES = "probabilities"

Unpack = Callable[[str, bytes, Layout, Limits], Table]
"""Returns the table that a Parquet or Arrow body holds. Raises TableError."""


def content_type(header: str) -> str:
    """Returns the kind of a body by its Content-Type. Raises RequestError (415) for another one."""
    if header in TYPES:  # as nearly every request says it
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
    """Returns what a body says: a dictionary for JSON, else the bytes. Raises RequestError."""
    if kind != JSON:
        return body
    try:
        content = orjson.loads(body)
    except ValueError:
        content = _parsed_as_python_writes(body)
    return checked_object(content)


def checked_object(content: Any) -> dict[str, Any]:
    """Returns what a JSON body says. Raises RequestError where that is no object."""
    if type(content) is not dict:
        raise RequestError(f"the body is {_noun(content)}, not an object", hint=_FORMS_HINT)
    return content


def _parsed_as_python_writes(body: bytes) -> Any:
    """Returns JSON in which NaN stands for what is missing: MLflow's own client writes it like that."""
    try:
        # What JSON cannot hold (halves of UTF-16 pairs, whole numbers beyond 64 bits) has no place later.
        content = json.loads(body, parse_constant=_constant, parse_float=_finite)
        return orjson.loads(orjson.dumps(content))
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError(f"the body is not valid JSON: {error}") from error


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise OddError(f"{text[:40]} is larger than any number of 64 bits")
    return value


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is not a number")


def table_of(
    kind: str, content: Any, layout: Layout, limits: Limits, unpack: Unpack = read_columnar
) -> tuple[Table | Rows, bool]:
    """Returns (table, whether probabilities are wanted). Raises TableError, RequestError."""
    if kind == JSON:
        return _from_json(content, layout, limits)
    if kind == CSV:
        return _from_csv(content, layout, limits), False
    return unpack(kind, content, layout, limits), False


def _from_json(content: dict[str, Any], layout: Layout, limits: Limits) -> tuple[Table | Rows, bool]:
    form = form_of(content)
    wants = wants_probabilities(content, ()) if len(content) > 1 else False
    given = content[form]
    match form:
        case "dataframe_split":
            return _split(given, layout, limits), wants
        case "dataframe_records":
            return _records(form, given, layout, limits), wants
        case "inputs" if type(given) is dict:
            return _with_texts(_columns(given, layout, limits)), wants
        case _:
            return _with_texts(_alike(form, given, layout, limits)), wants


def form_of(content: dict[str, Any]) -> str:
    """Returns the key that holds the table. Raises RequestError where it is not one alone."""
    forms = [form for form in FORMS if form in content]
    if len(forms) != 1:
        if not forms and "data" in content:
            raise RequestError("the body is a table as MLflow 1 took it", hint=_WRAPPED_HINT)
        given = f"both {forms[0]} and {forms[1]}" if forms else "none of the forms of a table"
        raise RequestError(f"the body has {given}", hint=_FORMS_HINT)
    form = forms[0]
    for key in content:
        if key not in (form, "params"):
            hint = did_you_mean(key, [form, "params"])
            raise RequestError(f"the body has an unknown key: {key!r}", hint=hint)
    return form


_WRAPPED_HINT = 'put it into an object: {"dataframe_split": {"columns": […], "data": […]}}'
_FORMS_HINT = f"send an object with one of: {', '.join(FORMS)}; see /docs"


def wants_probabilities(content: dict[str, Any], own: Sequence[str]) -> bool:
    """Returns whether a body asks for probabilities by a parameter of ours, and takes that out.

    Args: `own` are the names of the model's parameters; one of them may be called like ours.
    """
    params = content.get("params")
    if params is None:
        return False
    if type(params) is not dict:
        raise RequestError(f"params is {_noun(params)}, not an object")
    known = [*own, PROBABILITIES]
    for key in params:
        if key not in known:
            raise RequestError(f"params: unknown key {key!r}", hint=did_you_mean(key, known))
    if PROBABILITIES in own:
        return False
    wants = params.pop(PROBABILITIES, False)
    if type(wants) is not bool:
        raise RequestError(f"params: {PROBABILITIES} is {_noun(wants)}, not true or false")
    return wants


def _split(given: Any, layout: Layout, limits: Limits) -> Table | Rows:
    if type(given) is not dict:
        raise RequestError(f"dataframe_split is {_noun(given)}, not an object with columns and data")
    rows = _array("dataframe_split: data", given.get("data"))
    names = given.get("columns")
    for key in given:
        if key not in ("columns", "data", "index"):
            raise RequestError(f"dataframe_split: unknown key {key!r}")
    if names is None:
        raise _without_names("dataframe_split", layout)
    if given.get("index") is not None and not _is_index(given["index"], len(rows)):
        raise OddError("dataframe_split: the index does not name each row")
    return _table("dataframe_split: data", _names("dataframe_split: columns", names), rows, layout, limits)


def _names(place: str, given: Any) -> tuple[str, ...]:
    names = _array(place, given)
    if not {str}.issuperset(map(type, names)):
        wrong = next(name for name in names if type(name) is not str)
        raise RequestError(f"{place}: {_noun(wrong)} is no name")
    return tuple(names)


def _table(place: str, names: tuple[str, ...], rows: Any, layout: Layout, limits: Limits) -> Table | Rows:
    limits.check_rows(len(rows), layout)
    for number, row in enumerate(rows):
        if type(row) is not list:
            raise RequestError(f"{place}: row {number} is {_noun(row)}, not an array")
    return from_rows(names, rows, layout)


def _is_index(given: Any, rows: int) -> bool:
    return type(given) is list and len(given) == rows and {str, int}.issuperset(map(type, given))


def _without_names(place: str, layout: Layout) -> RequestError:
    """Returns the error for values whose order nobody says: MLflow does not take them, either."""
    names = ", ".join(column.name for column in layout.columns[:5])
    return RequestError(f"{place}: the columns have no names", hint=f"name them: {names}; see /docs")


def _records(form: str, given: Any, layout: Layout, limits: Limits) -> Table | Rows:
    records = _array(form, given)
    limits.check_rows(len(records), layout)
    names = _names_in(form, records, layout)
    if records:
        layout.picks(names)
    for number, record in enumerate(records):
        for name in layout.required:
            if name not in record:
                raise OddError(f"column {name!r}, row {number}: it is missing", column=name, row=number)
    if not layout.names.issuperset(names):  # a cell for each name that any row has may be far too many
        names = tuple(name for name in names if name in layout.names)
    return from_rows(names, [[record.get(name) for name in names] for record in records], layout)


def _names_in(form: str, records: list[Any], layout: Layout) -> tuple[str, ...]:
    """Returns the names that any of the records has. Raises TableError, RequestError."""
    names: dict[str, None] = {}
    for number, record in enumerate(records):
        if type(record) is not dict:
            raise RequestError(f"{form}: row {number} is {_noun(record)}, not an object")
        if not names.keys() >= record.keys():
            names.update(dict.fromkeys(record))
            if len(names) > layout.most_names:
                layout.check_bounds(names)
    return tuple(names)


def _columns(given: dict[str, Any], layout: Layout, limits: Limits) -> Table | Rows:
    layout.picks(tuple(given))
    length: int | None = None
    columns: dict[str, list[Any]] = {}
    for name, values in given.items():
        column = values if type(values) is list else [values]
        if length is not None and len(column) != length:
            are_lists = {list}.issuperset(map(type, given.values()))  # else MLflow repeats what is none
            kind = RequestError if are_lists else OddError
            raise kind(f"inputs: column {name!r} has {len(column)} values, others {length}")
        length = len(column)
        columns[name] = column
    limits.check_rows(length or 0, layout)
    return from_columns(columns, layout)


def _alike(form: str, given: Any, layout: Layout, limits: Limits) -> Table | Rows:
    """Returns records that have the same columns: where they have not, MLflow makes columns that differ."""
    if type(given) is dict:
        raise OddError(f"{form} is an object, not an array")
    rows = _array(form, given)
    if rows and type(rows[0]) is not dict and len(layout.columns) == 1:
        raise OddError(f"{form}: row 0 is {_noun(rows[0])}, not an object")
    if rows and type(rows[0]) is list:
        raise _without_names(form, layout)
    table = _records(form, rows, layout, limits)
    if rows and (number := next((i for i, row in enumerate(rows) if row.keys() != rows[0].keys()), None)):
        raise OddError(f"{form}: row {number} has other columns than row 0", row=number)
    return table


def _with_texts(table: Table | Rows) -> Table | Rows:
    """Returns a table of texts. Raises OddError where MLflow's arrays hold another text: `None` for null, and
    none that ends in a NUL.
    """
    if isinstance(table, Rows):
        is_odd = any(word is None or word[-1:] == "\0" for words in table.words for word in words)
    else:
        is_odd = any(_has_odd(texts) for texts in table.texts.values())
    if is_odd:
        raise OddError("a text is missing, or ends in a NUL")
    return table


def _has_odd(texts: Any) -> bool:
    import pyarrow.compute as pc

    return bool(texts.null_count) or bool(pc.any(pc.ends_with(texts, "\0")).as_py())


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


def _array(place: str, value: Any) -> list[Any]:
    if type(value) is not list:
        raise RequestError(f"{place} is {_noun(value)}, not an array")
    return value


def _noun(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "missing"}
    return names.get(type(value), "a number")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def reply(answer: Answer, classes: Sequence[Any] | None, *, wants_probabilities: bool) -> bytes:
    """Returns the body of a reply: `predictions`, as MLflow says it, and what was asked for beside it.

    Raises RequestError where a model has no probabilities to give.
    """
    content: dict[str, Any] = {"predictions": answer.labels.tolist()}
    if wants_probabilities:
        if classes is None or not answer.probabilities.shape[1]:
            raise RequestError("params: this model has no probabilities")
        content |= {"classes": classes, PROBABILITIES: answer.probabilities.tolist()}
    return orjson.dumps(content)


def error_reply(error: TableError) -> bytes:
    """Returns the body that says what is wrong with a request, and where."""
    content: dict[str, Any] = {"error_code": "BAD_REQUEST", "message": str(error)}
    if error.hint:
        content["hint"] = error.hint
    if error.column:
        content["column"] = error.column
    if error.row is not None:
        content["row"] = error.row
    return orjson.dumps(content)
