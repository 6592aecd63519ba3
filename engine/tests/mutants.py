"""Mutation testing of the rules (`make mutants`): is there a wrong rule that no unit test notices?

mutmut changes comparisons, operators, conditions, numbers and keywords of `contracts/`, one at a time, and
runs the unit tests that reach the place. Texts stay as they are: words are asserted where they matter.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

_TEXTS = {"operator_string", "operator_arg_removal", "operator_dict_arguments", "operator_assignment"}
_KILLED = {"killed", "timeout", "suspicious", "segfault"}
FLOOR = 95.0
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")


def main() -> None:
    """Runs mutmut with the operators that change rules; `score` tells what its last run found."""
    if sys.argv[1:] == ["score"]:
        sys.exit(report(outcomes(Path("mutants")), equivalent(EQUIVALENT.read_text(encoding="utf-8"))))
    from mutmut.mutation import mutators

    sys.setrecursionlimit(10_000)  # mutmut puts three frames of its own before each call
    kept = [pair for pair in mutators.mutation_operators if pair[1].__name__ not in _TEXTS]
    mutators.mutation_operators[:] = kept
    # Only now: it reads the configuration in pyproject.toml when it is imported.
    from mutmut.__main__ import cli

    cli()


def outcomes(folder: Path) -> Iterator[tuple[str, str]]:
    """Gives the function and the outcome of each mutant that mutmut tried, from the files that it left."""
    from mutmut.__main__ import status_by_exit_code

    for file in sorted(folder.rglob("*.meta")):
        for key, code in json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            yield function_of(key), status_by_exit_code[code]


def function_of(key: str) -> str:
    """Returns the function of a mutant: `waypost.a.xǁBǁc__mutmut_1` is one of `a.B.c`."""
    name = re.sub(r"__mutmut_\d+$", "", key).removeprefix("waypost.")
    module, _, mangled = name.rpartition(".")
    return f"{module}.{mangled[1:].strip('ǁ').replace('ǁ', '.') if 'ǁ' in mangled else mangled[2:]}"


def equivalent(text: str) -> Counter[str]:
    """Returns how many mutants of each function are equivalent to the rule, from the file that names them."""
    rows = [line.split(" | ") for line in text.splitlines() if line.count(" | ") == 3]
    return sum((Counter({row[0]: int(row[1])}) for row in rows if row[1].isdigit()), Counter())


def report(found: Iterator[tuple[str, str]], known: Mapping[str, int]) -> int:
    """Prints the share of mutants that tests kill, and where others survive; returns 1 below the floor.

    Equivalent ones are left out of both, at most as many of a function as survive there.
    """
    pairs = [(function, status) for function, status in found if status != "not checked"]
    killed = sum(status in _KILLED for _, status in pairs)
    alive = Counter(function for function, status in pairs if status not in _KILLED)
    left_out = sum(min(alive[function], number) for function, number in known.items())
    share = 100 * killed / max(len(pairs) - left_out, 1)
    for function in sorted(alive):
        if more := max(alive[function] - known.get(function, 0), 0):
            print(f"{more:4} {function}")
    print(
        f"{len(pairs):,} mutants tried, {killed:,} killed, {left_out} equivalent: {share:.1f} % of the others"
    )
    return int(share < FLOOR)


if __name__ == "__main__":
    main()
