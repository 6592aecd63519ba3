"""What a card and `promote` say of a run that is not the release, or the commit, alone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from waypost.batch.job import ScoringRun
from waypost.batch.scoring import Scored
from waypost.contracts.mlmodel import parse_mlmodel
from waypost.inference.model_cache import ProvedModel
from waypost.inference.proof import Proof
from waypost.promotion.card import Facts, card
from waypost.promotion.promote import Promotion
from waypost.report.console import Console
from waypost.report.deploy import show_promotion, show_scored
from waypost.tracking.registry import ModelVersion

PROOF = Proof(is_equal=False, reason="r")
SAID = parse_mlmodel('{"flavors": {"python_function": {}}}', "MLmodel")


def again(**more: object) -> str:
    """Returns what a card says of how its model is made again."""
    known = {"name": "n", "version": "1", "pipeline": "p", "run_id": "r1", "commit": "c1", "components": []}
    given = {"data": {}, "metrics": {}, "qualities": [], "mlmodel": SAID, "proof": PROOF}
    text = card(Facts(**{**known, "release": "", "release_url": "", **given, **more}))  # type: ignore[arg-type]
    return text.partition("## How to reproduce it\n")[2]


def test_a_card_of_a_release() -> None:
    """A release is reproduced by its name, with the command that made it."""
    text = again(release="1.0.0", release_url="https://host/x", command="waypost run https://host/x@1.0.0")
    assert text.startswith("    waypost reproduce https://host/x@1.0.0\n")
    assert "differ" not in text
    assert "committed" not in text


def test_a_card_of_other_parameters_and_files() -> None:
    """A run with other parameters is reproduced by its id, not by its release; what differs is told."""
    text = again(
        release="1.0.0",
        release_url="https://host/x",
        command="waypost run https://host/x@1.0.0 depth=7",
        differing=("depth=7 (2)",),
        dirty="run.py",
    )
    assert text.startswith("    waypost reproduce runs:/r1\n")
    assert "`waypost run https://host/x@1.0.0 depth=7`, at commit `c1`" in text
    assert "Parameters that differ from params.yaml (its values in parentheses): `depth=7 (2)`." in text
    assert "**Some of its files were not committed**: run.py. The run keeps the changes." in text


@pytest.mark.parametrize("dirty", ["", "run.py"])
def test_promote_warns(dirty: str) -> None:
    """`promote` tells the parameters that differ, and warns of files that were not committed."""
    proved = ProvedModel(Path(), "d", SAID, PROOF)
    version = ModelVersion("n", "1", "r1", {})
    stream = io.StringIO()
    told = Promotion(version, "champion", None, proved, {}, ("depth=7 (2)",), dirty)
    show_promotion(Console(file=stream, width=200), told)
    assert "differs from params.yaml: depth=7 (2)" in stream.getvalue()
    warned = "warning: some of its files were not committed: run.py; the run keeps the changes"
    assert (warned in stream.getvalue()) is bool(dirty)


def test_long_differences_are_cut() -> None:
    """A list of fifty columns is told by its beginning: the run keeps all of it."""
    stream = io.StringIO()
    told = Promotion(
        ModelVersion("n", "1", "r1", {}),
        "champion",
        None,
        ProvedModel(Path(), "d", SAID, PROOF),
        {},
        (f"columns=[{'x' * 500}] (1)",),
        "",
    )
    show_promotion(Console(file=stream, width=1000), told)
    assert f"  differs from params.yaml: columns=[{'x' * 151}…\n" in stream.getvalue()


@pytest.mark.parametrize(("rows", "told"), [(1, "1 row by"), (3000, "3,000 rows by")])
@pytest.mark.parametrize("is_current", [True, False])
def test_scored_rows_are_counted(rows: int, told: str, *, is_current: bool) -> None:
    """A table of one row is one row, whether it was scored now or before."""
    stream = io.StringIO()
    scored = Scored(rows=rows, skipped=0, parts=1, resumed=0, manifest={}, is_current=is_current)
    show_scored(Console(file=stream, width=200), ScoringRun(scored, "m/1", 2.0, ""), "out")
    assert told in stream.getvalue()
