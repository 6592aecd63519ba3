"""Scores a table and prints which shares of it trees take: `python -m benchmarks.tree_share MODEL TABLE OUTPUT`.

The first share is of the wall time of all threads, from the start to the end, the second of the processor time.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from numpy.typing import NDArray

from waypost.batch.fingerprint import ScoringOptions
from waypost.batch.job import ScoringRequest, run
from waypost.batch.scoring import Progress
from waypost.inference.compiled import Answer, Compiled


def main(model: str, table: str, output: str) -> None:
    """Scores, with a clock around each evaluation of the trees."""
    started = time.perf_counter()
    spent: list[float] = []
    passed: list[float] = []
    original = Compiled.evaluate

    def evaluate(self: Compiled, matrix: NDArray[np.float32]) -> Answer:
        began, clock = time.thread_time(), time.perf_counter()
        try:
            return original(self, matrix)
        finally:
            spent.append(time.thread_time() - began)
            passed.append(time.perf_counter() - clock)

    Compiled.evaluate = evaluate  # type: ignore[method-assign]
    run(
        ScoringRequest(model, table, output, ScoringOptions(ids=("id",)), track=False, overwrite=True),
        Progress(),
        print,
        print,
    )
    threads = len(os.sched_getaffinity(0))
    wall = time.perf_counter() - started
    print("share", sum(passed) / threads / wall, sum(spent) / time.process_time())


if __name__ == "__main__":
    main(*sys.argv[1:])
