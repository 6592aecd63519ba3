"""What `make mutants` says of the rules: unit tests of its arithmetic."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest

from tests.mutants import EQUIVALENT, equivalent, function_of, report


@pytest.mark.parametrize(
    ("key", "function"),
    [
        ("waypost.contracts.trees.x_read_tree__mutmut_3", "contracts.trees.read_tree"),
        ("waypost.contracts.history.xǁSplitǁ_has_all__mutmut_12", "contracts.history.Split._has_all"),
        ("waypost.texts.x__sign__mutmut_1", "texts._sign"),
    ],
)
def test_the_function_of_a_mutant(key: str, function: str) -> None:
    """mutmut's names lead to the functions that people know."""
    assert function_of(key) == function


def test_equivalent_ones_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """They count neither as killed nor as survivors, and never more of them than survive."""
    found = [*[("a.f", "killed")] * 94, ("a.f", "survived"), ("a.g", "survived"), ("a.g", "no tests")]
    found.append(("a.i", "not checked"))
    assert report(iter(found), Counter({"a.f": 5, "a.h": 3})) == 0
    assert (
        capsys.readouterr().out
        == "   2 a.g\n97 mutants tried, 94 killed, 1 equivalent: 97.9 % of the others\n"
    )
    assert report(iter([*found, *[("a.g", "survived")] * 4]), Counter()) == 1


def test_the_equivalent_ones_are_of_functions_that_exist() -> None:
    """A function that was renamed takes its line along."""
    named = equivalent(EQUIVALENT.read_text(encoding="utf-8"))
    assert named
    for name in named:
        module, parts = name, []
        while True:
            module, _, last = module.rpartition(".")
            parts.insert(0, last)
            try:
                found = importlib.import_module(f"waypost.{module}")
                break
            except ModuleNotFoundError:
                continue
        for part in parts:
            found = getattr(found, part)
