"""Which parts of a table are one task on a cluster: rules without input or output.

A task reads whole row groups where it can: what of a group comes before a task's first row is read in vain.
On the other hand all workers are to have something to do until the end, and what is lost with a worker, or
waited for, is to be seconds of work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate

MOST_ROWS = 1 << 20
_TASKS_PER_SLOT = 8
_MOST_CUTS = 8
"""Into so many pieces a row group is cut at most: reading takes a tenth of the time of answering."""


def shares(groups: Sequence[int], part_rows: int, wanted: Collection[int], slots: int) -> Iterator[list[int]]:
    """Yields the numbers of the parts of each task.

    Args: `groups` are the rows of the row groups, in order; `wanted` the parts that are not there yet;
    `slots` is how many tasks run at the same time.
    """
    total = sum(groups)
    aim = min(max(total // (slots * _TASKS_PER_SLOT), 1), MOST_ROWS)
    ends = list(accumulate(groups))
    share: list[int] = []
    group = 0
    for number in range(-(-total // part_rows)):
        before = group
        while ends[group] <= number * part_rows:
            group += 1
        rows = len(share) * part_rows
        most = max(2 * aim, groups[before] // _MOST_CUTS)
        if share and rows >= (aim if group != before else most):
            yield share
            share = []
        if number in wanted:
            share.append(number)
        elif share:
            yield share
            share = []
    if share:
        yield share
