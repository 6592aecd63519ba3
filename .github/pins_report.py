"""The text of a pull request that moves pins: what moved, what changed for us, metrics before and after."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from waypost.texts.escaping import markdown_block, markdown_code

_CONTENT = {"same content": "no change: same tree", "environment only": "environment only"}


def report(update: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> str:
    """Returns Markdown."""
    lines = ["| component | from | to | what changes |", "|---|---|---|---|"]
    for move in update["moves"]:
        if move["state"] in ("current", "held"):
            continue
        changes = "<br>".join(f"**{c['kind']}**: {_cell(c['text'])}" for c in move["changes"] or ())
        problems = "<br>".join(_cell(p["problem"]) for p in move["problems"])
        what = problems or changes or _CONTENT.get(move["state"], "code only")
        new = (move["new"] or {}).get("version", "")
        lines.append(f"| {_cell(move['uses'])} | {move['old']['version']} | {new} | {what} |")
    # Components that share an environment have the same changes there.
    packages = {(p["name"], p["old"], p["new"]): None for m in update["moves"] for p in m["packages"]}
    if packages:
        lines += ["", "| package | from | to |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(_cell, package))} |" for package in sorted(packages)]
    for source, text in update["changelogs"].items():
        # Somebody else's words: as they are, without their links, images and mentions.
        lines += ["", f"### Changelog of {source}", markdown_block(text)]
    lines += ["", "| metric | before | after |", "|---|---|---|"]
    old, new = metrics(before), metrics(after)
    for name in sorted(set(old) | set(new)):
        sides = (old.get(name), new.get(name))
        mark = "" if sides[0] == sides[1] else " ≠"
        lines.append(f"| {_cell(name)} | {sides[0]} | {sides[1]}{mark} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Returns somebody else's words as code: GitHub makes no mention and no link of what stands there."""
    return markdown_code(text, in_table=True)


def metrics(run: dict[str, Any]) -> dict[str, float]:
    """Returns the declared metrics of all steps; times are none."""
    return {
        f"{step['name']}/{name}": value
        for step in run["steps"]
        for name, value in step["metrics"].items()
        if not name.endswith("seconds")
    }


if __name__ == "__main__":
    print(report(*(json.loads(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:])), end="")
