"""`make simulate`: the schedule in simulated time, with hundreds of workers. Writes docs/scaling.svg and its table.

What is real: contracts/schedule.py, and how often the engine asks the tracking server for what (tracking.json,
measured by `python -m benchmarks.tracking`). What is simulated: time, workers, the steps' work, and a server of
so many processes of which each answers one request after the other.
"""

from __future__ import annotations

import heapq
import json
import random
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.chart import lines

from waypost.contracts.schedule import Schedule
from waypost.contracts.schedule_line import Capacity
from waypost.contracts.schedule_messages import (
    Close,
    Closed,
    Ended,
    Event,
    Instruction,
    Lease,
    Leased,
    LookedUp,
    LookUp,
    Node,
    Opened,
    Passed,
    Start,
    StepId,
    TakeOver,
)

FOLDER = Path(__file__).parent
DOCS = FOLDER.parents[1] / "docs"
Graph = Sequence[Node]
_WORKERS = (8, 16, 32, 64, 125, 250, 500)
_MOST_WORKERS, _LOSING_WORKERS = 500, 125
_END_BEFORE = 13  # requests when a step has ended, and
_GROWTH_BEFORE = 2 * 0.27e-3  # two searches that each brought all tags of the run (2.7 s at 10,000 steps)
_TICK_SECONDS = 0.05
_NOTICED_SECONDS = 0.1  # until a dead worker's step starts elsewhere, as measured with dask.distributed
OF_THE_STEP = 8  # requests that a component makes: its run, a parameter, a metric, a file


@dataclass(frozen=True)
class Costs:
    """Requests for each thing that the engine does, and seconds a request."""

    look_up: int
    lease: int
    start: int
    end: int
    take_over: int = 3
    open: int = 6
    close: int = 3
    seconds: float = 0.01
    growth: float = 0.0
    """Seconds more of a lease for each step that the run has finished."""

    @property
    def a_step(self) -> int:
        """Requests for a step that is executed: it is looked up before it has its lease, and under it."""
        return 2 * self.look_up + self.lease + self.start + self.end


class Server:
    """A tracking server: a request waits for the first process that is free."""

    def __init__(self, processes: int, seconds: float) -> None:
        self._free = [0.0] * processes
        self._seconds = seconds
        self.requests = 0

    def ask(self, now: float) -> float:
        """Returns when a request is answered that is sent now."""
        self.requests += 1
        done = max(heapq.heappop(self._free), now) + self._seconds
        heapq.heappush(self._free, done)
        return done


@dataclass
class Result:
    """What a simulation gave: simulated seconds, and real ones that the schedule took."""

    steps: int
    seconds: float
    requests: int
    first_start: float
    lost: int
    events: int
    thinking: float
    busy: float
    """The share of the time in which the engine waited for the server."""
    said: Counter[str] = field(default_factory=Counter)

    @property
    def a_second(self) -> float:
        return self.steps / self.seconds


class Simulation:
    """Runs graphs on so many workers. Of a worker, `losses` are how often an hour it is lost."""

    def __init__(
        self,
        graphs: Sequence[Graph],
        workers: int,
        costs: Costs,
        *,
        processes: int = 4,
        step_seconds: float = 60.0,
        losses: float = 0.0,
    ) -> None:
        self._graphs = deque(enumerate(graphs))
        self._costs = costs
        self._server = Server(processes, costs.seconds)
        self._random = random.Random(0)
        self._step_seconds = step_seconds
        self._losses = losses / 3600
        self.schedule = Schedule(Capacity(workers))
        self._to_do: deque[Instruction] = deque()
        self._asking: list[
            tuple[float, int, StepId]
        ] = []  # steps at the end of their work, and what they ask
        self._ended: deque[StepId] = deque()
        self._finished: set[str] = set()
        self._keys: dict[StepId, str] = {}
        self._done: Counter[str] = Counter()
        self._now = self._waited = 0.0
        self.result = Result(0, 0.0, 0, 0.0, 0, 0, 0.0, 0.0)

    def run(self) -> Result:
        """Returns what came of it."""
        while self._graphs or self.schedule.open_runs:
            if self._graphs and self.schedule.is_hungry:
                self._open()
            self._listen()
            ended = [self._ended.popleft() for _ in range(len(self._ended))]
            for step in ended:
                self._ask(self._costs.end)
                self._done[step.run] += 1
                self._finished.add(self._keys[step])
            self._tell(Passed(self._now), *(Ended(step, ok=True) for step in ended))
            if not self._carry_out_all() and not ended:
                soonest = self._asking[0][0] if self._asking else 0.0
                self._now = max(self._now + _TICK_SECONDS, soonest)
        self.result.seconds, self.result.requests = self._now, self._server.requests
        self.result.busy = self._waited / self._now
        return self.result

    def _open(self) -> None:
        number, graph = self._graphs.popleft()
        self._ask(self._costs.open)
        self._tell(Opened(str(number), graph))

    def _tell(self, *events: Event) -> None:
        for event in events:
            began = time.perf_counter()
            self._to_do += self.schedule.handle(event)
            self.result.thinking += time.perf_counter() - began
            self.result.events += 1

    def _ask(self, requests: int) -> None:
        """The engine asks, one request after the other."""
        for _ in range(requests):
            self._listen()
            self._wait(self._server.ask(self._now) - self._now)

    def _wait(self, seconds: float) -> None:
        self._waited += seconds
        self._now += seconds

    def _listen(self) -> None:
        """Lets steps ask whose work has ended by now; their last answer is their end."""
        while self._asking and self._asking[0][0] <= self._now:
            when, left, step = heapq.heappop(self._asking)
            if left:
                heapq.heappush(self._asking, (self._server.ask(when), left - 1, step))
            else:
                self._ended.append(step)

    def _carry_out_all(self) -> bool:
        has_acted = bool(self._to_do)
        while self._to_do:
            instruction = self._to_do.popleft()
            self.result.said[type(instruction).__name__] += 1
            if event := self._carry_out(instruction):
                self._tell(event)
        return has_acted

    def _carry_out(self, instruction: Instruction) -> Event | None:
        match instruction:
            case LookUp(step):
                self._ask(self._costs.look_up)
                key = self._keys[step] = step.name if step.name.startswith("shared") else f"{step}"
                return LookedUp(step, key, reusable=key in self._finished)
            case Lease(step):
                self._ask(self._costs.lease)
                self._wait(self._costs.growth * self._done[step.run])
                return Leased(step)
            case Start(step):
                self._ask(self._costs.start)
                self._start(step)
            case TakeOver():
                self._ask(self._costs.take_over)
            case Close(run):
                self._ask(self._costs.close)
                return Closed(run)
        return None

    def _start(self, step: StepId) -> None:
        self.result.steps += 1
        self.result.first_start = self.result.first_start or self._now
        work = self._random.uniform(0.5, 1.5) * self._step_seconds
        heapq.heappush(self._asking, (self._now + work + self._lost(work), OF_THE_STEP, step))

    def _lost(self, work: float) -> float:
        """Returns the seconds of attempts whose worker was lost before the one that ended."""
        seconds = 0.0
        while self._losses and (lived := self._random.expovariate(self._losses)) < work:
            self.result.lost += 1
            seconds += lived + _NOTICED_SECONDS
        return seconds


def layers(wide: int, deep: int) -> Graph:
    """Returns a graph of wide × deep steps, each on two of the layer before."""
    return [
        Node(f"s{row}-{n}", (f"s{row - 1}-{n}", f"s{row - 1}-{(n + 1) % wide}") if row else ())
        for row in range(deep)
        for n in range(wide)
    ]


def points(count: int, steps: int) -> list[Graph]:
    """Returns the graphs of a sweep: one step that all points have in common, then a chain of their own."""
    chain = [Node("shared"), *(Node(f"s{n}", (f"s{n - 1}" if n else "shared",)) for n in range(steps - 1))]
    return [chain] * count


def memory(graphs: Sequence[Graph]) -> int:
    """Returns the bytes that a schedule takes for open runs of these graphs."""
    tracemalloc.start()
    schedule = Schedule(Capacity(1))
    for number, graph in enumerate(graphs):
        schedule.handle(Opened(str(number), graph))
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size


def costs() -> dict[str, Costs]:
    """Returns what the engine asks: before its requests were counted, and now."""
    measured = json.loads((FOLDER / "tracking.json").read_text(encoding="utf-8"))
    asked = measured["requests a step, the engine"]
    times = measured["milliseconds a request"]
    seconds = sum(count * times[kind] for kind, count in asked.items()) / sum(asked.values()) / 1000
    now = Costs(look_up=1, lease=4, start=2, end=round(sum(asked.values())) - 8, seconds=seconds)
    before = replace(now, end=_END_BEFORE, growth=_GROWTH_BEFORE)
    return {"before": before, "now": now}


def measured_rows(known: Mapping[str, Costs], graphs: Mapping[str, Sequence[Graph]]) -> Iterator[str]:
    """Gives the rows of the table: what 500 workers do in a second."""
    for name, graph in graphs.items():
        for when, each in known.items():
            found = Simulation(graph, _MOST_WORKERS, each).run()
            rate, share = found.requests / found.seconds, f"{100 * found.busy:.0f} %"
            yield f"| {name}, {when} | {found.a_second:.2f} | {rate:.0f} | {share} | {found.seconds / 60:.0f} min |"


def lost_rows(known: Costs, graph: Sequence[Graph]) -> Iterator[str]:
    """Gives the rows of the table: what it costs that workers are lost."""
    for losses in (0.0, 0.1, 1.0, 10.0):
        found = Simulation(graph, _LOSING_WORKERS, known, step_seconds=600, losses=losses).run()
        yield f"| {losses:g} | {found.lost} | {found.a_second:.3f} | {found.seconds / 3600:.1f} h |"


def curves(known: Mapping[str, Costs], graph: Sequence[Graph], seconds: float) -> dict[str, list[float]]:
    """Returns the steps a second for each number of workers."""
    found = {"as many as the workers could do": [workers / seconds for workers in _WORKERS]}
    for when, each in known.items():
        runs = (Simulation(graph, workers, each, step_seconds=seconds).run() for workers in _WORKERS)
        found[when] = [run.a_second for run in runs]
    return found


def main() -> None:
    known = costs()
    graphs = {"one graph of 10,000 steps": [layers(500, 20)], "a sweep of 1,000 points": points(1000, 5)}
    drawn = {f"{name}, 60 s a step": curves(known, graph, 60.0) for name, graph in graphs.items()}
    lines(drawn, _WORKERS, DOCS / "scaling.svg", "workers", "steps a second")
    print(
        f"{known['now'].a_step} requests a step of {1000 * known['now'].seconds:.1f} ms; before {known['before'].a_step}"
    )
    print("\n".join(measured_rows(known, graphs)))
    print("\n".join(lost_rows(known["now"], graphs["one graph of 10,000 steps"])))
    for name, graph in graphs.items():
        print(f"{name}: {memory(graph) / 1e6:.1f} MB of the schedule")


if __name__ == "__main__":
    main()
