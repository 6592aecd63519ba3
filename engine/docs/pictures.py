"""Draws the pictures of the documentation (`make docs`); with --check it only says if they are so.

The states of a step are those of the table in docs/architecture.md.
"""

from __future__ import annotations

import re
from pathlib import Path

from docs.drawing import Arrow, Box, drawing
from docs.generated import keep

DOCS = Path(__file__).parents[2] / "docs"
_ROW = re.compile(r"^\| (\d+) \| `(\w+)` → `(\w+)` \|", re.MULTILINE)
_STATES = {
    "waiting": Box(80, 36),
    "looked_up": Box(300, 36),
    "reused": Box(740, 36, kind="ok"),
    "skipped": Box(80, 166, kind="warn"),
    "elsewhere": Box(300, 166),
    "pending": Box(520, 166),
    "leasing": Box(740, 166),
    "failed": Box(80, 296, kind="bad"),
    "running": Box(520, 296),
    "done": Box(740, 296, kind="ok"),
}
_BENDS = {
    ("looked_up", "elsewhere"): 22.0,
    ("elsewhere", "looked_up"): 22.0,
    ("pending", "running"): 16.0,
    ("running", "pending"): 16.0,
    ("leasing", "elsewhere"): -34.0,
    ("pending", "skipped"): -30.0,
    ("looked_up", "running"): -14.0,
    ("looked_up", "failed"): -26.0,
    ("leasing", "looked_up"): 10.0,
}


def step_states() -> str:
    """Returns the states of a step; arrows have the numbers of the rows of the page's table."""
    rows = _ROW.findall((DOCS / "architecture.md").read_text(encoding="utf-8"))
    arrows = [Arrow(start, end, number, _BENDS.get((start, end), 0.0)) for number, start, end in rows]
    return drawing("The states of a step, and what leads from one to the next", _STATES, arrows)


def repositories() -> str:
    """Returns who pins what: library, lock, run."""
    boxes = {
        "library": Box(90, 40, "tags v1.4.0, v1.4.1"),
        "pipeline.yaml": Box(90, 140, "asks for ~=1.4"),
        "lock": Box(360, 90, "commit and tree"),
        "store": Box(630, 40, "content by tree"),
        "run": Box(630, 140, "steps by their keys"),
        "MLflow": Box(830, 140, "results, digests"),
    }
    arrows = [
        Arrow("library", "lock", "waypost lock"),
        Arrow("pipeline.yaml", "lock"),
        Arrow("lock", "store", "fetched once"),
        Arrow("lock", "run", "waypost run"),
        Arrow("store", "run"),
        Arrow("run", "MLflow"),
    ]
    return drawing(
        "A library is pinned by a lock; a run executes the content that the lock names", boxes, arrows
    )


def keys() -> str:
    """Returns what a step's key is made of, and what it decides."""
    boxes = {
        "code": Box(90, 40, "git trees"),
        "arguments": Box(90, 100, "values, inline YAML"),
        "inputs": Box(90, 160, "digests of content"),
        "environment": Box(90, 220, "hashed packages"),
        "platform": Box(90, 280, "and variables"),
        "step key": Box(340, 160, "one digest"),
        "reused": Box(580, 90, "a step has it", "ok"),
        "executed": Box(580, 230, "no step has it"),
        "output digests": Box(800, 160, "inputs of the next"),
    }
    names = list(boxes)
    arrows = [Arrow(name, "step key") for name in names[:5]]
    arrows += [Arrow("step key", "reused"), Arrow("step key", "executed")]
    arrows += [Arrow("reused", "output digests"), Arrow("executed", "output digests")]
    return drawing("A step's key is a digest of all that decides its result", boxes, arrows)


def life_of_a_model() -> str:
    """Returns the way from a release to answers."""
    boxes = {
        "run": Box(90, 40, "a model as output"),
        "release": Box(90, 150, "tag and record"),
        "gate": Box(320, 40, "promote: is it better?"),
        "registry": Box(550, 40, "version, alias, card"),
        "serve": Box(790, 40, "one row at a time"),
        "score": Box(790, 150, "whole tables"),
        "reproduce": Box(320, 150, "the same digests"),
    }
    arrows = [
        Arrow("release", "run", "runs"),
        Arrow("run", "gate"),
        Arrow("gate", "registry", "passed"),
        Arrow("registry", "serve"),
        Arrow("registry", "score"),
        Arrow("release", "reproduce"),
    ]
    return drawing("From a release to answers", boxes, arrows)


PICTURES = {
    "step-states.svg": step_states,
    "concept-pins.svg": repositories,
    "concept-keys.svg": keys,
    "concept-models.svg": life_of_a_model,
}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        keep(DOCS / name, draw(), "engine/docs/pictures.py draws")
