"""Markdown texts of pull requests and job summaries; text from others is shown as code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from waypost.contracts.requirements import package_moves
from waypost.errors import Finding
from waypost.interfaces.record import Record, RunRecord
from waypost.pins.updating import Move, Update
from waypost.release.cut import NextVersion
from waypost.texts.escaping import markdown_block, markdown_code

_CONTENT = {"same content": "no change: same tree", "environment only": "environment only"}
_SHORT = 12


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table of Markdown cells, none without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return ["", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines] if lines else []


def cell(text: str) -> str:
    """Returns text from others as code, where GitHub creates no mentions or links."""
    return markdown_code(text, in_table=True)


def reasons(following: NextVersion) -> str:
    """Returns the reasons for the next version."""
    if not following.base:
        return f"First release, {following.version}."
    what = f"a {following.bump} release; the changes demand {following.demanded}"
    head = f"{following.base} → {following.version}: {what}."
    rows = [
        (cell(name), change.kind, cell(change.text))
        for name, group in following.changes.items()
        for change in group
    ]
    return "\n".join([head, *table(("what", "change", "in words"), rows)])


def release_body(record: Record, why: str, run: RunRecord | None) -> str:
    """Returns the text of a release's pull request: reasons, changelog, results of its run."""
    lines = [why, "", "### Changelog", markdown_block(record.notes)]
    if run:
        rows = [
            (cell(f"{step}/{name}"), str(value))
            for step, found in run.metrics.items()
            for name, value in found.items()
        ]
        lines += [
            "",
            f"### Production run of commit {run.commit[:_SHORT]}",
            *table(("metric", "value"), rows),
        ]
        lines += [
            "",
            "**Merge this with a merge commit**: its record is of that very commit. Squashed or rebased, the "
            "release is executed and recorded again.",
        ]
    return "\n".join(lines).strip() + "\n"


def update_body(update: Update, before: RunRecord | None, after: RunRecord | None, problem: str) -> str:
    """Returns the text of a pull request that updates pins: moves, changes, metrics before and after."""
    moves = [move for move in update.moves if move.state not in {"current", "held"}]
    rows = [
        (cell(m.uses), str(m.old.version if m.old else ""), str(m.new.version if m.new else ""), _changes(m))
        for m in moves
    ]
    lines = table(("component", "from", "to", "what changes"), rows)[1:]
    # Components that share an environment have the same changes there.
    packages = sorted({package for move in update.moves for package in move.packages})
    lines += table(("package", "from", "to"), [(cell(p.name), cell(p.old), cell(p.new)) for p in packages])
    for source, text in update.changelogs.items():
        # Text from others: verbatim, without links, images and mentions.
        lines += ["", f"### Changelog of {cell(source)}", markdown_block(text)]
    if problem:
        lines += ["", "### The pipeline does not run with these", markdown_block(problem)]
    lines += table(("metric", "before", "after"), metric_rows(before, after))
    return "\n".join(lines) + "\n"


def metric_rows(before: RunRecord | None, after: RunRecord | None) -> list[tuple[str, str, str]]:
    """Returns each metric with its values before and after, without times."""
    sides = [_metrics(run) for run in (before, after)]
    rows = []
    for name in sorted(set(sides[0]) | set(sides[1])):
        old, new = (side.get(name) for side in sides)
        rows.append((cell(name), str(old), f"{new}" + ("" if old == new else " ≠")))
    return rows


def _metrics(run: RunRecord | None) -> dict[str, float]:
    found = run.metrics if run else {}
    return {f"{step}/{name}": value for step, values in found.items() for name, value in values.items()}


def _changes(move: Move) -> str:
    problems = "<br>".join(cell(problem.problem) for problem in move.problems)
    changes = "<br>".join(f"**{change.kind}**: {cell(change.text)}" for change in move.changes or ())
    return problems or changes or _CONTENT.get(move.state, "code only")


def locks_body(locks: Mapping[str, tuple[str, str]]) -> str:
    """Returns the text of a pull request that updates locks, given their texts (old, new) by file."""
    where: dict[tuple[str, str, str], list[str]] = {}
    for file, (old, new) in locks.items():
        for move in package_moves([old], [new]):
            where.setdefault((move.name, move.old, move.new), []).append(file)
    rows = [(*map(cell, move), ", ".join(map(cell, files))) for move, files in sorted(where.items())]
    if not rows:
        return "The versions are the same; hashes or comments changed.\n"
    return "\n".join(table(("package", "from", "to", "locks"), rows)[1:]) + "\n"


def findings_table(findings: Iterable[Finding]) -> list[str]:
    """Returns findings as the lines of a table."""
    return table(
        ("where", "what", "mend"), [(cell(f.place), cell(f.problem), cell(f.hint)) for f in findings]
    )
