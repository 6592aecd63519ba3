"""check_data: declared rules, drift against a reference, tests of the user; all failures at once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd

from check_data.drift import drift_results
from check_data.figures import checks_figure, drift_figures
from check_data.pictures import drift_pictures
from check_data.rules import Checks, Result, found_in, rule_results
from check_data.suggest import suggested
from check_data.user_tests import user_test_results
from componentkit.arguments import ComponentError
from componentkit.expressions import rows_for
from componentkit.figures import table_size
from componentkit.pages import rendered
from componentkit.step import Step, content_digest
from componentkit.tables import with_unit


def check(
    data: pd.DataFrame,
    reference: pd.DataFrame | None,
    checks: Checks,
    tests: Path | None = None,
    everything: pd.DataFrame | None = None,
    as_of: str = "",
) -> list[Result]:
    """Returns the result of every check. Raises ComponentError where a check cannot be made.

    Rules hold for `everything`, which is the data unless its reference rows are part of it.
    """
    results = rule_results(data if everything is None else everything, checks, as_of)
    if checks.drift is not None:
        if reference is None:
            raise ComponentError("checks: drift needs a reference or a reference_filter")
        results += drift_results(data, reference, checks.drift)
    if tests is not None:
        results += user_test_results(tests, data, reference)
    return results


def part_by(data: pd.DataFrame, expression: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns (rows to check, reference rows): those for which the expression holds are reference."""
    is_reference = rows_for(expression, data, purpose=f"reference_filter {expression!r}")
    reference, checked = data[is_reference], data[~is_reference]
    for name, part in (("reference", reference), ("table to check", checked)):
        if part.empty:
            raise ComponentError(f"reference_filter {expression!r}: the {name} has no rows")
    return checked, reference


def page(
    results: list[Result], data: pd.DataFrame, name: str, digest: str, pictures: dict[str, str] | None = None
) -> str:
    """Returns the report as a self-contained HTML page: a row per column, those with failures first.

    It names the file and its digest, but no run and no time: the same table gives the same page. `pictures`
    are SVG, by column.
    """
    groups: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda result: result.passed):
        groups.setdefault(result.column, []).append(result)
    columns = [
        {
            "name": with_unit(column, data) if column else "",
            "about": _about(data, column),
            "picture": (pictures or {}).get(column, ""),
            "results": found,
        }
        for column, found in groups.items()
    ]
    failed = sum(not result.passed for result in results)
    facts: dict[str, Any] = {"digest": digest, "rows": len(data), "width": data.shape[1]}
    template = Path(__file__).with_name("report.html.j2")
    facts |= {"columns": columns, "failed": failed, "passed": len(results) - failed}
    return rendered(template, title=f"Data checks: {name}", **facts)


def _about(data: pd.DataFrame, column: str) -> str:
    """Returns what a column holds, in a few words; nothing for the table as a whole."""
    if column not in data:
        return ""
    values = data[column]
    return f"{values.dtype}, {values.isna().mean():.1%} missing, {found_in(values)}"


def _suggest(data: pd.DataFrame) -> None:
    """Prints a first set of rules, and logs it as suggested.yaml."""
    import mlflow

    text = suggested(data)
    mlflow.log_text(text, "suggested.yaml")
    print(f"rules that this table keeps, for you to read:\n{text}")


def run(step: Step) -> None:
    checks = step.config("checks", Checks)
    data = everything = step.table("data")
    if step.is_given("reference") and step.args.reference_filter:
        raise ComponentError("give reference or reference_filter, not both")
    reference = step.table("reference") if step.is_given("reference") else None
    if step.args.reference_filter:
        data, reference = part_by(data, step.args.reference_filter)
    tests = Path(step.args.tests) if step.is_given("tests") else None
    results = check(data, reference, checks, tests, everything, step.args.as_of)
    failed = [result for result in results if not result.passed]
    with step.output("report") as path:
        report = [dataclasses.asdict(result) for result in results]
        path.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    name = Path(step.args.data).name
    pictures = drift_pictures(data, reference, checks.drift) if checks.drift and reference is not None else {}
    digest = content_digest(Path(step.args.data))
    with step.output("page") as path:
        path.write_text(page(results, everything, name, digest, pictures), encoding="utf-8")
    drifted = drift_figures(data, reference, checks.drift) if checks.drift and reference is not None else []
    step.hand_over([checks_figure(results), *drifted], [table_size(name, everything, digest)])
    step.metrics(
        {
            "checks_failed": len(failed),
            "checks_passed": len(results) - len(failed),
            "rows_checked": len(everything),
        }
    )
    if step.args.suggest:
        _suggest(everything)
    for result in failed:
        print(f"failed: {result.line()}")
    if failed:
        first = f"{failed[0].line()}{' …' if len(failed) > 1 else ''}"
        raise ComponentError(f"{name}: {len(failed)} of {len(results)} checks failed: {first}")
