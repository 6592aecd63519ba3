"""Which commands need no shell."""

from __future__ import annotations

import pytest

from waypost.contracts.command import PythonCommand, python_command

VALUES = {"x": "a b; rm -rf", "n": "3"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("python run.py --x {x}", PythonCommand(("--x", "a b; rm -rf"), file="run.py")),
        ("python3 run.py", PythonCommand((), file="run.py")),
        ("python -m package", PythonCommand((), module="package")),
        ("OPTIONS=a=b python run.py", PythonCommand((), file="run.py", variables={"OPTIONS": "a=b"})),
        ("python -m package {n} --x={x}", PythonCommand(("3", "--x=a b; rm -rf"), module="package")),
        (
            "PYTHONPATH=.. N={n} python run.py",
            PythonCommand((), file="run.py", variables={"PYTHONPATH": "..", "N": "3"}),
        ),
        ("python run.py A=1", PythonCommand(("A=1",), file="run.py")),
    ],
)
def test_plain_python(template: str, expected: PythonCommand) -> None:
    """A file or module with its arguments; a value is one argument, whatever is in it."""
    assert python_command(template, VALUES) == expected


@pytest.mark.parametrize(
    "template",
    [
        "python run.py | tee log",
        "python run.py && true",
        "python run.py $HOME",
        "bash run.sh",
        "python",
        "python -m",
        "python -c pass",
        "python -u run.py",
        "N=1",
        "python 'run.py'",
    ],
)
def test_what_takes_a_shell(template: str) -> None:
    """Anything that only a shell understands is left to one."""
    assert python_command(template, VALUES) is None
