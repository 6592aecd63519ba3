"""Mutated forms and plans for the extension under an address sanitizer:

python -m tests.fuzz_walk FIRST COUNT
"""

from __future__ import annotations

import random
import sys
from collections import Counter

from tests import row_plans, walks
from waypost.inference.forest import extension

_SHAPES, _MANY_NODES = 300, 12


def main(first: int, count: int) -> None:
    """Prints how many forms and plans were refused and answered; anything else ends the process."""
    native = extension()
    forms = [walks.trees(random.Random(seed), most=_MANY_NODES).to_bytes() for seed in range(_SHAPES)]
    outcomes: Counter[str] = Counter()
    for number in range(first, first + count):
        choose = random.Random(number)
        outcomes[walks.answered(walks.changed(choose.choice(forms), choose), choose)] += 1
        plan = row_plans.plan(choose)
        plan = row_plans.changed(plan, choose) if choose.random() < 0.7 else plan
        outcomes[f"plans {row_plans.outcome(native, plan, choose)}"] += 1
    sys.stdout.write(
        f"{outcomes['refused']} refused, {outcomes['answered']} answered, "
        f"{outcomes['plans refused']} plans refused, {outcomes['plans answered']} answered\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
