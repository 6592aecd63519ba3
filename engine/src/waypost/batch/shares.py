"""Grouping of parts into tasks on a cluster: rules without input or output.

A task reads whole row groups if possible: rows of a group before the task's first one are read in vain. On
the other hand, all workers should be busy until the end, and a lost or awaited task should be seconds of
work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate

MOST_ROWS = 1 << 20
_TASKS_PER_SLOT = 8
_MOST_CUTS = 8
"""Most tasks per row group: reading takes a tenth of the time of answering."""


def shares(groups: Sequence[int], part_rows: int, wanted: Collection[int], slots: int) -> Iterator[list[int]]:
    """Yields the numbers of the parts of each task.

    Args: `groups` are the rows of the row groups, in order; `wanted` the missing parts; `slots` is the number
    of tasks that run at the same time.
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
