"""Tables in JSON bodies: MLflow's four forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from waypost.errors import did_you_mean
from waypost.inference.layout import Layout, OddError
from waypost.inference.limits import Limits, RequestError
from waypost.inference.table import Rows, Table, from_columns, from_rows

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
PROBABILITIES = "probabilities"


def checked_object(content: Any) -> dict[str, Any]:
    """Returns the object in a JSON body. Raises RequestError if it is not an object."""
    if type(content) is not dict:
        raise RequestError(f"the body is {_noun(content)}, not an object", hint=_FORMS_HINT)
    return content


def json_table(content: dict[str, Any], layout: Layout, limits: Limits) -> tuple[Table | Rows, bool]:
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


def one_row(content: dict[str, Any], layout: Layout) -> tuple[tuple[str, ...], list[Any]] | None:
    """Returns (column names, cells) of a body with one row and nothing unusual, as in most requests. If it
    returns None, `json_table` reads the body, or has the reason why not.
    """
    rows = content.get("dataframe_records")
    if rows is not None:
        is_one = len(content) == 1 and type(rows) is list and len(rows) == 1 and type(rows[0]) is dict
        return (tuple(rows[0]), list(rows[0].values())) if is_one else None
    given = content.get("dataframe_split")
    if len(content) > 1 or type(given) is not dict or len(given) > 2 + ("index" in given):
        return None
    names, rows = layout.known(given.get("columns")), given.get("data")
    if not names or type(rows) is not list or len(rows) != 1 or type(rows[0]) is not list:
        return None
    return (names, rows[0]) if "index" not in given or _is_index(given["index"], 1) else None


def form_of(content: dict[str, Any]) -> str:
    """Returns the key of the table. Raises RequestError if there is not exactly one."""
    if len(content) == 1 and (form := next(iter(content))) in FORMS:  # as in nearly every request
        return form
    forms = [form for form in FORMS if form in content]
    if len(forms) != 1:
        if not forms and "data" in content:
            raise RequestError("the body is a table in the format of MLflow 1", hint=_WRAPPED_HINT)
        given = f"both {forms[0]} and {forms[1]}" if forms else "no known form of a table"
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
    """Returns whether a body requests probabilities by Waypost's parameter, and removes it.

    Args: `own` are the names of the model's parameters, which may include the name of Waypost's.
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
        raise OddError("dataframe_split: the index does not have one entry for each row")
    named = layout.known(names) or layout.keep(_names("dataframe_split: columns", names))
    return _table("dataframe_split: data", named, rows, layout, limits)


def _names(place: str, given: Any) -> tuple[str, ...]:
    names = _array(place, given)
    if not {str}.issuperset(map(type, names)):
        wrong = next(name for name in names if type(name) is not str)
        raise RequestError(f"{place}: {_noun(wrong)} is not a column name")
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
    """Returns the error for columns without names; MLflow refuses them, too."""
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
    if not layout.names.issuperset(names):  # a cell for each name in any row may be far too many
        names = tuple(name for name in names if name in layout.names)
    return from_rows(names, [[record.get(name) for name in names] for record in records], layout)


def _names_in(form: str, records: list[Any], layout: Layout) -> tuple[str, ...]:
    """Returns the names in any of the records. Raises TableError, RequestError."""
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
            are_lists = {list}.issuperset(map(type, given.values()))  # else MLflow would repeat a scalar
            kind = RequestError if are_lists else OddError
            raise kind(f"inputs: column {name!r} has {len(column)} values, others {length}")
        length = len(column)
        columns[name] = column
    limits.check_rows(length or 0, layout)
    return from_columns(columns, layout)


def _alike(form: str, given: Any, layout: Layout, limits: Limits) -> Table | Rows:
    """Returns records with the same columns. If they differ, MLflow would build different columns."""
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
    """Returns a table of strings. Raises OddError if MLflow's arrays would change one: null becomes `None`,
    and a NUL at the end is lost.
    """
    if isinstance(table, Rows):
        is_odd = any(word is None or word[-1:] == "\0" for words in table.words for word in words)
    else:
        is_odd = any(_has_odd(texts) for texts in table.texts.values())
    if is_odd:
        raise OddError("a string is missing, or ends in a NUL")
    return table


def _has_odd(texts: Any) -> bool:
    import pyarrow.compute as pc

    return bool(texts.null_count) or bool(pc.any(pc.ends_with(texts, "\0")).as_py())


def _array(place: str, value: Any) -> list[Any]:
    if type(value) is not list:
        raise RequestError(f"{place} is {_noun(value)}, not an array")
    return value


def _noun(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "missing"}
    return names.get(type(value), "a number")
