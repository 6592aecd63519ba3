"""Which step does what next: each case in schedule_cases.txt is a conversation with the schedule.

`> event` is told; the lines after it are what the schedule says to that, in this order. Steps are `run.name`.
`open run a b<a (c)`: b needs a, c was not selected. A step that is looked up answers with its key, and with
marks: `=` it can be taken over, `!` no other may be the same, `o` it runs by order (no lease), and what it
needs: `4G` of memory, `2c` processors, `1g` GPU. `machine 4 8G 1g` comes first: what there is of these.
"""

from __future__ import annotations

import random
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.contracts.polling import pause_after
from waypost.contracts.schedule import Schedule
from waypost.contracts.schedule_line import Capacity, Demand
from waypost.contracts.schedule_messages import (
    Cancel,
    Cancelled,
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
    Refused,
    Reject,
    ReleaseLease,
    ReportBusy,
    ReportElsewhere,
    Start,
    State,
    StepId,
    Taken,
    TakeOver,
)

GIB = 1 << 30
WORDS = {
    Cancel: "cancel",
    Close: "close",
    Lease: "lease",
    LookUp: "look up",
    Reject: "reject",
    ReleaseLease: "release",
    Start: "start",
    TakeOver: "take over",
    ReportBusy: "busy",
    ReportElsewhere: "tell",
}


def step_of(text: str) -> StepId:
    run, _, name = text.partition(".")
    return StepId(run, name)


def amount(words: list[str], unit: str) -> int | None:
    """Returns how much of something is meant, None where nothing is said of it."""
    return next((int(word[:-1]) for word in words if word.endswith(unit) and word[:-1].isdigit()), None)


def machine_of(words: list[str], places: int) -> Capacity:
    memory = amount(words, "G")
    return Capacity(places, int(words[0]), None if memory is None else memory * GIB, amount(words, "g"))


def demand_of(words: list[str]) -> Demand:
    cpus, memory, gpus = (amount(words, unit) or 0 for unit in "cGg")
    return Demand(cpus, GIB * memory, gpus)


def event_of(text: str) -> Event:  # noqa: C901 (a case a word)
    """Returns an event as the cases write it."""
    verb, _, rest = text.partition(" ")
    words = rest.split()
    match verb:
        case "open":
            nodes = []
            for word in words[1:]:
                name, _, needs = word.partition("<")
                nodes.append(Node(name.strip("()"), tuple(filter(None, needs.split(","))), "(" not in name))
            return Opened(words[0], nodes)
        case "found":
            marks = words[2:]
            return LookedUp(
                step_of(words[0]),
                words[1],
                reusable="=" in marks,
                shareable="!" not in marks,
                leased=not {"!", "o"} & set(marks),
                demand=demand_of(marks),
            )
        case "leased":
            return Leased(step_of(words[0]))
        case "refused":
            return Refused(step_of(words[0]), float(words[1]))
        case "ended" | "failed":
            return Ended(step_of(words[0]), verb == "ended")
        case "closed":
            return Closed(words[0])
        case "taken":
            return Taken(step_of(words[0]), float(words[1]))
        case "time":
            free = amount(words[1:], "G")
            gpus, count = amount(words[1:], "g"), amount(words[1:], "p")
            return Passed(float(words[0]), None if free is None else free * GIB, gpus, count)
        case "cancelled":
            return Cancelled()
    raise AssertionError(text)


def said(instruction: Instruction) -> str:
    word = WORDS[type(instruction)]
    if isinstance(instruction, Close | Cancel):
        return f"{word} {instruction.run} {instruction.status}"
    again = " again" if isinstance(instruction, LookUp) and instruction.again else ""
    return f"{word} {instruction.step.run}.{instruction.step.name}{again}"


def played(case: str, places: int) -> str:
    """Returns the conversation as it goes with the events of a case."""
    schedule, lines = Schedule(Capacity(places)), []
    for line in case.strip().splitlines():
        if line.strip().startswith("> machine"):
            schedule = Schedule(machine_of(line.split()[2:], places))
            lines.append(line.strip())
        elif line.strip().startswith("> "):
            lines.append(line.strip())
            lines += map(said, schedule.handle(event_of(line.strip()[2:])))
    return "\n".join(lines)


def _cases() -> dict[str, str]:
    text = Path(__file__).with_name("schedule_cases.txt").read_text(encoding="utf-8")
    return {case.partition("\n")[0]: case.partition("\n")[2].strip() for case in text.split("# ")[1:]}


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_what_a_schedule_says(name: str) -> None:
    """The conversation goes as it is written down, on two places."""
    assert played(CASES[name], 2) == CASES[name]


def test_on_one_place() -> None:
    """With one place, steps run one after the other, and one that waits elsewhere holds none up."""
    case = """
    > open p a b
    look up p.a
    look up p.b
    > found p.a ka
    lease p.a
    > found p.b kb !
    > refused p.a 5
    start p.b
    release p.a
    > time 5
    > ended p.b
    look up p.a again
    """
    assert played(case, 1) == textwrap.dedent(case).strip()


def test_states() -> None:
    """Where steps are can be asked at any time."""
    schedule = Schedule(Capacity(1))
    seen = []
    events = "open p a b<a c", "found p.a ka", "found p.c kc", "leased p.a", "found p.a ka", "failed p.a"
    for event in events:
        schedule.handle(event_of(event))
        seen.append(" ".join(schedule.states("p")[name].value for name in "abc"))
    assert seen == [
        "looked up waiting looked up",
        "leasing waiting looked up",
        "leasing waiting pending",
        "looked up waiting pending",
        "running waiting pending",
        "failed skipped skipped",
    ]
    assert schedule.open_runs == ["p"]
    schedule.handle(Cancelled())
    assert schedule.open_runs == []


@pytest.mark.parametrize("event", ["found p.b k", "leased p.a", "ended p.a", "refused p.a 1", "found q.a k"])
def test_answers_to_nothing(event: str) -> None:
    """An answer to what was not asked is a mistake of the runner's, and is said to be one."""
    schedule = Schedule(Capacity(1))
    schedule.handle(Opened("p", [Node("a"), Node("b", ("a",))]))
    with pytest.raises(ValueError, match=r"not (looked up|leasing|running), but"):
        schedule.handle(event_of(event))


def test_pauses() -> None:
    """A waiting run asks the less often the slower the server is: a second at least, a quarter of a minute
    at most, and never all at the same moment.
    """
    assert pause_after(0.001, 1.0) == 1.0
    assert pause_after(0.2, 1.0) == 4.0
    assert pause_after(60.0, 1.0) == 15.0
    assert pause_after(60.0, 0.5) == 7.5


DEMANDS = {"a": (2, 3, 0), "b": (0, 9, 0), "c": (3, 0, 0), "d": (1, 1, 1), "e": (0, 0, 2), "xb": (1, 4, 0)}


class World:
    """Carries out instructions at random: leases are refused, steps fail, others finish keys meanwhile."""

    def __init__(self, seed: int, places: int, graphs: list[list[Node]]) -> None:
        self.random = random.Random(seed)
        self.machine = Capacity(places, 3, 8, 2)
        self.schedule = Schedule(self.machine)
        self.demands = {name: Demand(*given) for name, given in DEMANDS.items()}
        self.graphs = {f"r{number}": graph for number, graph in enumerate(graphs)}
        self.finished: set[str] = set()
        self.running: dict[StepId, str] = {}
        self.ended: set[StepId] = set()
        self.failed: set[str] = set()
        self.closed: Counter[str] = Counter()
        self.leases: dict[StepId, str] = {}
        self.pending: list[Event] = []
        self.now = 0.0

    def key(self, step: StepId) -> str:
        """Steps of one name are the same in all runs, but for those called private."""
        return f"{step}" if step.name.startswith("x") else step.name

    def tell(self, event: Event) -> None:
        for instruction in self.schedule.handle(event):
            self.carry_out(instruction)

    def carry_out(self, instruction: Instruction) -> None:
        if isinstance(instruction, Close):
            self.closed[instruction.run] += 1
            assert not [step for step in self.running if step.run == instruction.run]
            assert (instruction.status == "FAILED") == (instruction.run in self.failed)
            self.pending.append(Closed(instruction.run))
            return
        assert not isinstance(instruction, Cancel)
        step = instruction.step
        key, private = self.key(step), step.name.startswith("x")
        needs = next(node.needs for node in self.graphs[step.run] if node.name == step.name)
        match instruction:
            case LookUp():
                assert all(StepId(step.run, need) in self.ended for need in needs)
                reusable = key in self.finished and not private
                demand = self.demands.get(step.name, Demand())
                shared = not private
                self.pending.append(
                    LookedUp(step, key, reusable=reusable, shareable=shared, leased=shared, demand=demand)
                )
            case Lease():
                if self.random.random() < 0.5:
                    self.leases[step] = key
                    self.pending.append(Leased(step))
                else:
                    self.pending.append(Refused(step, self.random.uniform(0, 3)))
            case ReleaseLease():
                self.leases.pop(step, None)
            case TakeOver():
                assert key in self.finished
                self.ended.add(step)
            case Start() if instruction.gpus and self.random.random() < 0.2:
                self.pending.append(Taken(step, self.now + 1))
            case Start():
                assert step.run not in self.failed
                assert private or self.leases[step] == key
                assert private or key not in self.running.values()
                self.running[step] = key
                self.check_sums()

    def check_sums(self) -> None:
        """What runs together is no more than there is; one that needs more memory shares it with nobody."""
        running = [self.demands.get(step.name, Demand()) for step in self.running]
        assert len(running) <= self.machine.places
        assert sum(each.gpus for each in running) <= 2
        assert len(running) == 1 or sum(each.cpus for each in running) <= 3
        memory = [each.memory for each in running if each.memory]
        assert len(memory) == 1 or sum(memory) <= 8

    def play(self) -> None:
        for run, graph in self.graphs.items():
            self.pending.append(Opened(run, graph))
        for now in range(100_000):
            self.now = float(now)
            if not self.schedule.open_runs and not self.pending:
                return
            self.random.shuffle(self.pending)
            events, self.pending = self.pending, []
            for event in sorted(events, key=lambda event: not isinstance(event, Opened)):
                self.tell(event)
            if self.running and self.random.random() < 0.7:
                step = self.random.choice(sorted(self.running))
                ok = self.random.random() < 0.9
                del self.running[step]
                self.leases.pop(step, None)
                if ok:
                    self.ended.add(step)
                    self.finished.add(self.key(step))
                else:
                    self.failed.add(step.run)
                self.tell(Ended(step, ok))
            if self.random.random() < 0.1:  # another run of the server finishes something
                self.finished.add(self.random.choice("abcdef"))
            self.tell(Passed(self.now, None, self.random.choice([0, 1, 2, 2])))
        raise AssertionError("it does not end")


@st.composite
def graph(draw: st.DrawFn) -> list[Node]:
    names = draw(
        st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "xa", "xb"]), unique=True, max_size=6)
    )
    return [
        Node(name, tuple(draw(st.lists(st.sampled_from(names[:place]), unique=True))) if place else ())
        for place, name in enumerate(names)
    ]


@given(st.integers(), st.integers(1, 4), st.lists(graph(), min_size=1, max_size=4))
def test_any_order_of_things(seed: int, places: int, graphs: list[list[Node]]) -> None:
    """Whatever happens in whatever order: every run ends and is closed once, nothing starts before what it
    needs, without its lease, twice at once, above what there is, or after a failure.
    """
    world = World(seed, places, graphs)
    world.play()
    assert all(count == 1 for count in world.closed.values())
    assert len(world.closed) == len(graphs)
    for run, nodes in world.graphs.items():
        states = world.schedule.states(run)
        assert set(states.values()) <= {State.DONE, State.REUSED, State.FAILED, State.SKIPPED}
        assert len(states) == len(nodes)


def test_ten_thousand_steps() -> None:
    """The work for an event does not grow with the steps that are not concerned: a sweep of a thousand
    pipelines of ten steps is scheduled within the time of a test.
    """
    chain = [Node(f"x{n}", (f"x{n - 1}",) if n else ()) for n in range(10)]
    schedule, told = Schedule(Capacity(4)), 0
    for run in range(1000):
        schedule.handle(Opened(str(run), chain))
    queue = [StepId(str(run), "x0") for run in range(1000)]
    running: list[StepId] = []
    while queue or running:
        if queue:
            said_now = schedule.handle(LookedUp(queue.pop(), "k", shareable=False, leased=False))
        else:
            said_now = schedule.handle(Ended(running.pop(0), ok=True))
        told += 1
        queue += [each.step for each in said_now if isinstance(each, LookUp)]
        running += [each.step for each in said_now if isinstance(each, Start)]
    assert told == 20_000


def test_cases_are_told_apart() -> None:
    """The table has at least forty cases, and no two are the same."""
    assert len(set(CASES.values())) == len(CASES) >= 40
