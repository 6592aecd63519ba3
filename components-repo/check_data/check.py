"""check_data: declared rules, drift against a reference, tests of the user; all failures at once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd

from check_data.drift import drift_results
from check_data.rules import Checks, Result, rule_results
from check_data.user_tests import user_test_results
from componentkit.arguments import ComponentError
from componentkit.expressions import rows_for
from componentkit.step import Step


def check(
    data: pd.DataFrame, reference: pd.DataFrame | None, checks: Checks, tests: Path | None = None
) -> list[Result]:
    """Returns the result of every check. Raises ComponentError where a check cannot be made."""
    results = rule_results(data, checks)
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


def page(results: list[Result], rows: int, name: str) -> str:
    """Returns the report as a self-contained HTML page, failures first."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8"))
    ordered = sorted(results, key=lambda result: result.passed)
    return template.render(results=ordered, rows=rows, name=name)


def run(step: Step) -> None:
    checks = step.config("checks", Checks)
    data = step.table("data")
    if step.is_given("reference") and step.args.reference_filter:
        raise ComponentError("give reference or reference_filter, not both")
    reference = step.table("reference") if step.is_given("reference") else None
    if step.args.reference_filter:
        data, reference = part_by(data, step.args.reference_filter)
    tests = Path(step.args.tests) if step.is_given("tests") else None
    results = check(data, reference, checks, tests)
    failed = [result for result in results if not result.passed]
    with step.output("report") as path:
        report = [dataclasses.asdict(result) for result in results]
        path.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    name = Path(step.args.data).name
    with step.output("page") as path:
        path.write_text(page(results, len(data), name), encoding="utf-8")
    step.metrics(
        {
            "checks_failed": len(failed),
            "checks_passed": len(results) - len(failed),
            "rows_checked": len(data),
        }
    )
    for result in failed:
        print(f"failed: {result.line()}")
    if failed:
        first = f"{failed[0].line()}{' …' if len(failed) > 1 else ''}"
        raise ComponentError(f"{name}: {len(failed)} of {len(results)} checks failed: {first}")
