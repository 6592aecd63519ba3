"""Mutation testing of the rules (`make mutants`): is there a wrong rule that no unit test notices?

mutmut changes comparisons, operators, conditions, numbers and keywords of `contracts/`, one at a time, and
runs the unit tests that reach the place. Texts stay as they are: words are asserted where they matter.
"""

from __future__ import annotations

import sys

from mutmut.mutation import mutators

_TEXTS = {"operator_string", "operator_arg_removal", "operator_dict_arguments", "operator_assignment"}


def main() -> None:
    """Runs mutmut with the operators that change rules."""
    sys.setrecursionlimit(10_000)  # mutmut puts three frames of its own before each call
    kept = [pair for pair in mutators.mutation_operators if pair[1].__name__ not in _TEXTS]
    mutators.mutation_operators[:] = kept
    # Only now: it reads the configuration in pyproject.toml when it is imported.
    from mutmut.__main__ import cli

    cli()


if __name__ == "__main__":
    main()
