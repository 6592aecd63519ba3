"""The house stays one to live in: functions and files are short, no room is half of it.

The length of a function is counted from its `def` to its last line, without decorators.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "waypost"
DOCS = Path(__file__).parents[3] / "docs"
PAGES = [DOCS / "architecture.md", *sorted((DOCS / "decisions").glob("*.md"))]


@dataclass(frozen=True)
class Function:
    place: str
    lines: int
    has_docstring: bool


@cache
def texts() -> dict[str, str]:
    """Returns the modules of the engine, by their paths in it."""
    files = sorted(SOURCE.rglob("*.py"))
    return {file.relative_to(SOURCE).as_posix(): file.read_text(encoding="utf-8") for file in files}


def lengths() -> dict[str, int]:
    return {place: len(text.splitlines()) for place, text in texts().items()}


@cache
def functions() -> tuple[Function, ...]:
    return tuple(found for place, text in texts().items() for found in functions_in(place, text))


def functions_in(place: str, text: str) -> Iterator[Function]:
    """Gives all functions of a module: methods and functions within functions, too."""
    left: list[ast.AST] = [ast.parse(text)]
    while left:
        node = left.pop()
        # Expressions hold no function with a name.
        left += [each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.expr)]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Function(f"{place}:{node.lineno} {node.name}", lines, ast.get_docstring(node) is not None)


def test_how_functions_are_counted() -> None:
    """From `def` to the last line; those within others and those of classes are counted by themselves."""
    text = "@x\n@y\ndef a():\n    '''Says.'''\n    def b():\n        return 1\n\n    return b\n"
    found = list(functions_in("m.py", text))
    assert found == [Function("m.py:3 a", 6, True), Function("m.py:5 b", 2, False)]


def test_no_function_is_above_60_lines() -> None:
    """What is longer has parts that have names."""
    assert [each for each in functions() if each.lines > 60] == []


def test_most_functions_are_short() -> None:
    """At least 94 of 100 functions have at most 25 lines."""
    short = sum(each.lines <= 25 for each in functions())
    assert short >= 0.94 * len(functions())


def test_long_functions_have_docstrings() -> None:
    """Private ones, too: above 25 lines nobody sees at a glance what a function is for."""
    assert [each.place for each in functions() if each.lines > 25 and not each.has_docstring] == []


def test_half_of_the_files_are_short() -> None:
    """The median is at most 110 lines, blank ones counted."""
    assert median(lengths().values()) <= 110


def test_no_room_is_above_15_percent() -> None:
    """A folder that grows beyond that holds two ideas."""
    rooms: Counter[str] = Counter()
    for place, lines in lengths().items():
        rooms[place.partition("/")[0]] += lines
    assert {room: lines for room, lines in rooms.items() if lines > 0.15 * rooms.total()} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_pages_name_modules_that_exist(page: Path) -> None:
    """A path such as `runs/index.py` on a page about the engine's inside is one of its modules."""
    rooms = {place.partition("/")[0] for place in texts() if "/" in place}
    named = re.findall(r"`(\w+)/((?:\w+/)*\w+\.py)`", page.read_text(encoding="utf-8"))
    assert [
        f"{room}/{name}" for room, name in named if room in rooms and not (SOURCE / room / name).is_file()
    ] == []
