"""Runs a pytest file of data tests with the tables as fixtures."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pandas as pd
import pytest

from check_data.rules import Result
from componentkit.arguments import ComponentError


class _Tables:
    """A pytest plugin: the fixtures `data` and `reference`, and a record of what happened."""

    def __init__(self, data: pd.DataFrame, reference: pd.DataFrame | None) -> None:
        self._data, self._reference = data, reference
        self.results: list[Result] = []
        self.broken: list[str] = []

    @pytest.fixture
    def data(self) -> pd.DataFrame:
        return self._data.copy()

    @pytest.fixture
    def reference(self) -> pd.DataFrame:
        if self._reference is None:
            pytest.fail("this test asks for `reference`, but no reference was given")
        return self._reference.copy()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(report.longreprtext.strip().splitlines()[-1])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or (report.when == "call" and report.passed):
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash else report.longreprtext
            detail = " ".join(message.split())[:300] if report.failed else ""
            name = report.nodeid.rpartition("::")[2]
            self.results.append(Result(f"test {name}", "", report.passed, detail=detail))


def user_test_results(path: Path, data: pd.DataFrame, reference: pd.DataFrame | None) -> list[Result]:
    """Returns a result per test. Raises ComponentError where the file cannot be run."""
    tables = _Tables(data, reference)
    # Fixtures come from the plugin; the user's own pytest settings are none of ours.
    options = [str(path), "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "/"]
    with contextlib.redirect_stdout(io.StringIO()):
        code = pytest.main(options, plugins=[tables])
    if tables.broken:
        raise ComponentError(f"tests: {path.name}: {'; '.join(tables.broken)}")
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise ComponentError(f"tests: {path.name}: no test ran ({pytest.ExitCode(code).name})")
    return tables.results
