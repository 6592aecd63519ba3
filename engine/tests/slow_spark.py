"""A model that Waypost promoted, on Spark by MLflow's `spark_udf`, as docs/spark.md has it (`make spark`).

It takes pyspark, which `make spark` puts beside the other packages, and Java: without Java it is skipped.
pytest does not find this file by its name.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from tests import models
from tests.conftest import ROOT, Call
from tests.test_promote import WAYPOST, write
from tests.test_run import RUN

pytestmark = pytest.mark.timeout(900)
if not shutil.which("java"):
    pytest.skip("Spark runs on Java, and there is none: apt-get install default-jre-headless", True)

_SESSION = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
"""


def as_written(tracking: str, source: Path, output: Path) -> str:
    """Returns the page's program, with the places of this test."""
    page = (ROOT / "docs" / "spark.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found
    program = found[1]
    for theirs, ours in (
        ("https://mlflow.example.org", tracking),
        ("/data/loans", str(source)),
        ("/data/scored", str(output)),
    ):
        assert theirs in program
        program = program.replace(theirs, ours)
    return _SESSION + program


def test_the_page_does_what_it_says(workplace: Path, call: Call) -> None:
    """A run's model is promoted; the page's program reads it by its alias and gives each row of a table the
    label that `waypost score` gives.
    """
    write(workplace / "pipeline")
    run = call(*RUN, "pipeline", "--env", "local", "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    promoted = call(*WAYPOST, "promote", json.loads(run.stdout)["run_id"], "--name", "grades")
    assert promoted.returncode == 0, promoted.stderr
    rows = models.frame(3000, 5)
    rows.to_parquet(workplace / "loans.parquet")
    scored = call(
        *WAYPOST, "score", "models:/grades@champion", "loans.parquet", "ours", "--keep", "all", "--no-track"
    )
    assert scored.returncode == 0, scored.stderr

    tracking = f"sqlite:///{workplace / 'mlflow.db'}"
    program = as_written(tracking, workplace / "loans.parquet", workplace / "theirs")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    names = [*rows.columns, "prediction"]
    ours, theirs = (pd.read_parquet(workplace / place)[names] for place in ("ours", "theirs"))
    order = names[:-1]
    ours, theirs = (t.sort_values(order, ignore_index=True) for t in (ours, theirs))
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)
    assert mlflow.__version__
