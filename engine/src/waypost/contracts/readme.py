"""The tables in a component's README, compared with its contract.

The tables are between `<!-- contract -->` and `<!-- /contract -->`. A table is identified by the first cell
of its header (parameter, output, metric), its columns by theirs; any may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from waypost.contracts.component import EntryPoint, Parameter
from waypost.texts.escaping import markdown_code

START, END = "<!-- contract -->", "<!-- /contract -->"
_CELL = re.compile(r"(?<!\\)\|")
_DESCRIBED = "what it is"

Row = Mapping[str, str]


def readme_problems(text: str, entry_point: EntryPoint) -> Iterator[str]:
    """Yields every difference between a README's tables and an entry point."""
    if START not in text or END not in text:
        yield f"it has no contract tables between {START} and {END}"
        return
    tables = _tables(text.partition(START)[2].partition(END)[0])
    expected: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
        "parameter": {n: _of_parameter(p) for n, p in entry_point.parameters.items()},
        "output": {
            n: {"artifact": (o.path,), "type": (o.type,), _DESCRIBED: (o.description,)}
            for n, o in entry_point.outputs.items()
        },
        "metric": {
            n: {"kind": (m.kind,), "better": (m.better,), "unit": (m.unit,), _DESCRIBED: (m.description,)}
            for n, m in entry_point.metrics.items()
        },
    }
    for kind, rows in expected.items():
        yield from _differences(kind, rows, tables.get(kind, {}))


def _of_parameter(parameter: Parameter) -> dict[str, tuple[str, ...]]:
    """Returns the allowed texts in each column for a parameter."""
    if parameter.is_required:
        default: tuple[str, ...] = ("required",)
    elif parameter.default in ("", "/dev/null"):
        default = ("none", str(parameter.default))
    else:
        default = (str(parameter.default), str(parameter.default).lower())
    return {"type": (parameter.type,), "default": default, _DESCRIBED: (parameter.description,)}


def _differences(
    kind: str, expected: Mapping[str, Mapping[str, tuple[str, ...]]], found: Mapping[str, Row]
) -> Iterator[str]:
    for name in [*expected, *(name for name in found if name not in expected)]:
        if name not in found:
            yield f"{kind} {name!r} is not in its table"
        elif name not in expected:
            yield f"{kind} {name!r} is in its table, but not in the contract"
        else:
            for column, texts in expected[name].items():
                cell = found[name].get(column)
                # A type may be followed by its range and choices.
                shown = cell.partition(",")[0] if cell is not None and column == "type" else cell
                if shown is not None and shown not in map(_plain, texts):
                    yield f"{kind} {name!r}: {column} is {cell!r} there, {texts[0]!r} in the contract"


def _tables(text: str) -> dict[str, dict[str, Row]]:
    """Returns the rows of Markdown tables by the first word of the header and the first cell of the row."""
    found: dict[str, dict[str, Row]] = {}
    head: list[str] = []
    for line in text.splitlines():
        if not line.strip().startswith("|"):
            head = []
        elif not head:
            head = _cells(line)
        elif not re.fullmatch(r"[\s|:-]+", line):
            row = dict(zip(head, _cells(line), strict=False))
            found.setdefault(head[0], {})[row[head[0]]] = row
    return found


def _cells(line: str) -> list[str]:
    return [_plain(cell.replace("\\|", "|")) for cell in _CELL.split(line.strip().strip("|"))]


def _plain(text: str) -> str:
    """Returns a text on one line, without code backticks."""
    line = " ".join(text.split())
    code = re.fullmatch(r"(`+) ?(.+?) ?\1", line)
    return code[2] if code else line


def contract_tables(entry_point: EntryPoint) -> str:
    """Returns the tables of an entry point for a README, between the two markers."""
    parameters = [
        (markdown_code(name), _values_of(p), _default_of(p), p.description)
        for name, p in entry_point.parameters.items()
    ]
    outputs = [
        (markdown_code(n), markdown_code(o.path), o.type, o.description)
        for n, o in entry_point.outputs.items()
    ]
    metrics = [
        (markdown_code(n), m.kind, m.better, m.unit, m.description) for n, m in entry_point.metrics.items()
    ]
    tables = [
        _table(("parameter", "type", "default", _DESCRIBED), parameters),
        _table(("output", "artifact", "type", _DESCRIBED), outputs),
        _table(("metric", "kind", "better", "unit", _DESCRIBED), metrics),
    ]
    return "\n".join([START, "\n\n".join(filter(None, tables)), END])


def _values_of(parameter: Parameter) -> str:
    """Returns the type of a parameter, with its choices and range."""
    notes = [parameter.type]
    if parameter.choices:
        notes.append(" or ".join(markdown_code(str(choice)) for choice in parameter.choices))
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        notes.append(f"{low:g} to {high:g}")
    elif low is not None or high is not None:
        notes.append(f"at least {low:g}" if low is not None else f"at most {high:g}")
    return ", ".join(notes)


def _default_of(parameter: Parameter) -> str:
    as_written, lower = (*_of_parameter(parameter)["default"], "")[:2]
    return lower if parameter.type == "bool" and lower else as_written


def with_tables(text: str, entry_point: EntryPoint) -> str:
    """Returns a README with the contract's tables in place of its own; at the end if it has none."""
    tables = contract_tables(entry_point)
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    return f"{head}{tables}{tail}" if start and end else f"{text.rstrip()}\n\n{tables}\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [" | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) for row in rows]
    columns = list(head)
    edges = f"|{'---|' * len(columns)}"
    return (
        "\n".join([f"| {' | '.join(columns)} |", edges, *(f"| {line} |" for line in lines)]) if lines else ""
    )
