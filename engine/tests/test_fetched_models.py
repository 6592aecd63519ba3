"""A model is checked by a process of its own: what ends that process ends nobody else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Call
from tests.test_score import SCORE
from waypost.errors import UsageError, WaypostError
from waypost.inference.fetching import FetchedModel, FetchOptions, State, _next, fetched_model
from waypost.tracking.models import find

# A pickle that aborts whoever loads it, as native code does that reads beyond an array.
ABORTS = b"cos\nabort\n(tR."


MLMODEL = """
flavors:
  sklearn: {pickled_model: model.pkl, serialization_format: pickle}
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}
signature: {inputs: '[{"name": "a", "type": "double"}]'}
"""


@pytest.fixture
def aborting(workplace: Path) -> Path:
    """A model that passes for a pickled one, and ends the process that loads it."""
    folder = workplace / "aborting"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "model.pkl").write_bytes(ABORTS)
    return folder


def test_lost_process_is_one_line(aborting: Path, workplace: Path, call: Call) -> None:
    """The check is lost to a signal: exit code 1 and a line that says so."""
    (workplace / "rows.csv").write_text("a\n1\n")
    result = call(*SCORE, aborting, "rows.csv", "out", "--trust", "--no-track")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith("the model is refused: its check ended by SIGABRT")
    assert "Traceback" not in result.stderr
    assert not (workplace / "out").exists()


def test_lost_process_leaves_the_model_of_now(aborting: Path, tmp_path: Path) -> None:
    """Where an alias moves to such a model, the one of before goes on, and the new one is not tried again."""
    before = State(fetched=FetchedModel(uri="models:/m@a", label="m/1", folder=tmp_path, digest="0"))
    options = FetchOptions(is_trusted=True, in_own=False, rows=None)
    after = _next(str(aborting), options, before, tmp_path)
    assert after.fetched == before.fetched
    assert after.failed
    assert after.failed.message.endswith("its check ended by SIGABRT")
    began = time.monotonic()
    assert _next(str(aborting), options, after, tmp_path) == after
    assert time.monotonic() - began < 0.5


def test_endless_check_is_given_up() -> None:
    """Native code that runs for ever is ended by a signal that it cannot hold up."""
    code = "import time; from waypost.system.machine import bounded\nwith bounded(0.2): time.sleep(60)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGALRM


def test_memory_of_a_check_is_bounded() -> None:
    """What asks for more memory than there is gets none, and the process goes on; so it does afterwards."""
    code = (
        "import resource, numpy as np; from waypost.system.machine import bounded\n"
        "before = resource.getrlimit(resource.RLIMIT_AS)\n"
        "with bounded(60):\n"
        "    try: np.empty(2**46, dtype='u1')\n"
        "    except MemoryError: print('no', end='')\n"
        "assert resource.getrlimit(resource.RLIMIT_AS) == before"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"no"


def test_model_that_is_refused_says_why(workplace: Path) -> None:
    """A refusal in the other process has its hint and its exit code here."""
    folder = workplace / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {sklearn: {pickled_model: ../x}}")
    with (
        pytest.raises(WaypostError, match="leaves the model's folder"),
        fetched_model(str(folder), workplace / "s"),
    ):
        pass


def test_model_that_nobody_registered(workplace: Path) -> None:
    """MLflow's words, and where it was looked for: mostly that is another server than one thinks."""
    with pytest.raises(UsageError, match=r"models:/nope@champion: .*nope not found") as error:
        find("models:/nope@champion")
    hint = f"looked up on sqlite:///{workplace / 'mlflow.db'}; set MLFLOW_TRACKING_URI for another server"
    assert error.value.hint == hint
