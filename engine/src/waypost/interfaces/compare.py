"""Comparison of a run with a record, item by item."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from waypost.interfaces.record import RunRecord

State = Literal["equal", "different", "cannot compare"]


@dataclass(frozen=True)
class Comparison:
    """A comparison of one item: the recorded value, the found one, or why they cannot be compared."""

    what: str
    state: State
    recorded: str
    found: str
    reason: str = ""


def compare(recorded: RunRecord, found: RunRecord) -> tuple[Comparison, ...]:
    """Returns every comparison: outputs by digest, metrics by value, the model's signature."""
    return tuple(_comparisons(recorded, found))


def _comparisons(recorded: RunRecord, found: RunRecord) -> Iterator[Comparison]:
    for step in recorded.outputs:
        yield from _outputs(step, recorded, found)
    for step in recorded.metrics:
        yield from _metrics(step, recorded, found)
    if recorded.signature:
        yield _compared("model signature", _in_short(recorded.signature), _in_short(found.signature))


def _outputs(step: str, recorded: RunRecord, found: RunRecord) -> Iterator[Comparison]:
    there = found.outputs.get(step, {})
    for name, digest in recorded.outputs[step].items():
        what = f"{step}.{name}"
        if what in recorded.models and there.get(name) != digest:
            reason = "a model's files hold ids and times of their making; its predictions are compared"
            yield Comparison(what, "cannot compare", digest, there.get(name, ""), reason)
        else:
            yield _compared(what, digest, there.get(name))


def _metrics(step: str, recorded: RunRecord, found: RunRecord) -> Iterator[Comparison]:
    """Yields the comparisons of a step's metrics.

    In a step whose contract says of no metric what it is, as those of 1.0 do, one may be a time. It is taken
    for one where it alone is different, and the step's outputs are the same bytes.
    """
    there = found.metrics.get(step, {})
    for name, value in recorded.metrics[step].items():
        one = _compared(f"{step}/{name}", value, there.get(name))
        is_open = recorded.kinds is not None and not recorded.kinds.get(step)
        if one.state == "different" and name in there and is_open and _same_outputs(step, recorded, found):
            reason = f"{one.recorded} became {one.found}; its contract does not say whether it is a time"
            one = Comparison(one.what, "cannot compare", one.recorded, one.found, reason)
        yield one


def _same_outputs(step: str, recorded: RunRecord, found: RunRecord) -> bool:
    """Tells whether a step has outputs that can be compared, and all of them are equal."""
    states = [one.state for one in _outputs(step, recorded, found)] if step in recorded.outputs else []
    return "equal" in states and "different" not in states


def _compared(what: str, recorded: Any, found: Any) -> Comparison:
    # NaN is not equal to itself.
    is_nan = all(isinstance(value, float) and math.isnan(value) for value in (recorded, found))
    state: State = "equal" if recorded == found or is_nan else "different"
    return Comparison(what, state, str(recorded), "nothing" if found is None else str(found))


def _in_short(signature: Mapping[str, Any]) -> str:
    """Returns a signature as its size and the digest of its canonical JSON."""
    text = json.dumps(signature, sort_keys=True, separators=(",", ":"))
    counts = f"{len(signature.get('inputs') or ())} inputs, {len(signature.get('outputs') or ())} outputs"
    return f"{counts}, sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
