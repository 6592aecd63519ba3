"""Mutated forms for the extension under an address sanitizer: `python -m tests.fuzz_walk FIRST COUNT`."""

from __future__ import annotations

import random
import sys
from collections import Counter

from tests import walks

_SHAPES, _MANY_NODES = 300, 12


def main(first: int, count: int) -> None:
    """Prints how many forms were refused and answered; anything else ends the process."""
    forms = [walks.trees(random.Random(seed), most=_MANY_NODES).to_bytes() for seed in range(_SHAPES)]
    outcomes: Counter[str] = Counter()
    for number in range(first, first + count):
        choose = random.Random(number)
        outcomes[walks.answered(walks.changed(choose.choice(forms), choose), choose)] += 1
    sys.stdout.write(f"{outcomes['refused']} refused, {outcomes['answered']} answered\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
