"""Is a run what the record says? Line by line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from waypost.contracts.record import RunRecord

State = Literal["equal", "different", "cannot compare"]


@dataclass(frozen=True)
class Comparison:
    """One thing that was compared: what was recorded, what was found, why it cannot be compared."""

    what: str
    state: State
    recorded: str
    found: str
    reason: str = ""


def compare(recorded: RunRecord, found: RunRecord) -> tuple[Comparison, ...]:
    """Returns every comparison: outputs by digest, metrics by value, the model's signature."""
    return tuple(_comparisons(recorded, found))


def _comparisons(recorded: RunRecord, found: RunRecord) -> Iterator[Comparison]:
    for step, outputs in recorded.outputs.items():
        there = found.outputs.get(step, {})
        for name, digest in outputs.items():
            what = f"{step}.{name}"
            if what in recorded.models and there.get(name) != digest:
                reason = "a model's files hold ids and times of their making; its predictions are compared"
                yield Comparison(what, "cannot compare", digest, there.get(name, ""), reason)
            else:
                yield _compared(what, digest, there.get(name))
    for step, metrics in recorded.metrics.items():
        for name, value in metrics.items():
            yield _compared(f"{step}/{name}", value, found.metrics.get(step, {}).get(name))
    if recorded.signature:
        yield _compared("model signature", _in_short(recorded.signature), _in_short(found.signature))


def _compared(what: str, recorded: Any, found: Any) -> Comparison:
    state: State = "equal" if recorded == found else "different"
    return Comparison(what, state, str(recorded), "nothing" if found is None else str(found))


def _in_short(signature: Mapping[str, Any]) -> str:
    """Returns a signature as its size and the digest of its canonical JSON."""
    text = json.dumps(signature, sort_keys=True, separators=(",", ":"))
    counts = f"{len(signature.get('inputs') or ())} inputs, {len(signature.get('outputs') or ())} outputs"
    return f"{counts}, sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
