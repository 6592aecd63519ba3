"""The text of a pull request that moves locks: which packages moved, and which locks have them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from waypost.contracts.requirements import PackageMove, package_moves
from waypost.texts.escaping import markdown_code


def report(locks: Mapping[str, tuple[str, str]]) -> str:
    """Returns Markdown for locks by path, each with its text before and after."""
    found: dict[PackageMove, list[str]] = {}
    for path, (old, new) in locks.items():
        for move in package_moves([old], [new]):
            found.setdefault(move, []).append(path)
    if not found:
        return "The versions are the same; other files of them are locked.\n"
    lines = ["| package | from | to | locks |", "|---|---|---|---|"]
    for move, paths in sorted(found.items()):
        cells = [markdown_code(text, in_table=True) for text in (move.name, move.old, move.new)]
        lines.append(f"| {' | '.join(cells)} | {', '.join(paths)} |")
    return "\n".join(lines) + "\n"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    changed = _git("diff", "--name-only", "HEAD").splitlines()
    locks = {path: (_git("show", f"HEAD:{path}"), Path(path).read_text(encoding="utf-8")) for path in changed}
    print(report(locks), end="")
