"""Which of a step's outputs are models, and what the end of a run says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from waypost.contracts.component import EntryPoint
from waypost.contracts.keys import FinishedStep
from waypost.contracts.plan import PlannedStep
from waypost.report.closing import closing_lines
from waypost.runs.events import RunResult, StepResult
from waypost.runs.preflight import models_of
from waypost.system.scratch import scratch


def step(**outputs: Any) -> PlannedStep:
    entry_point = EntryPoint.model_validate({"command": "x", "outputs": outputs})
    return PlannedStep("prepare", "parts/prepare", entry_point, {}, ())


def test_a_type_says_what_is_a_model_else_the_content(tmp_path: Path) -> None:
    """An output of type mlflow-model is one, and one without a type whose folder is; no name counts."""
    for name in ("untyped", "report"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "MLmodel").write_text("flavors: {}")
    (tmp_path / "model").mkdir()
    planned = step(
        said={"path": "best", "type": "mlflow-model"},
        untyped={"path": "untyped"},
        report={"path": "report", "type": "report"},
        model={"path": "model"},
        elsewhere={"path": "elsewhere"},
    )
    paths = {name: str(tmp_path / name) for name in ("untyped", "report", "model")}
    finished = FinishedStep("r", dict.fromkeys(paths, "d"), paths)
    assert models_of(planned, finished) == ("best", "untyped")


def ended(*steps: StepResult, uri: str = "http://tracking") -> str:
    result = RunResult("grades", "run", "FINISHED", 1.0, uri, steps)
    return "\n".join(closing_lines(result))


def test_the_last_model_is_the_one_to_serve() -> None:
    """What a step is called does not make a model of it."""
    assert "serve" not in ended(StepResult("train", "core/train", "done", "t"))
    text = ended(
        StepResult("fit", "core/fit", "done", "f", models=("first", "best")),
        StepResult("train_report", "core/report", "reused", "t"),
    )
    assert "waypost serve runs:/f/best " in text
    assert "waypost promote run --name grades" in text


def test_what_steps_tell_stands_at_the_end() -> None:
    """Each warning of a component is a line with its step; many are cut, long ones shortened."""
    told = ("column 'x' alone predicts the target", "long " * 1000)
    text = ended(StepResult("train", "core/train", "reused", "t", warnings=told))
    assert "  warning: train: column 'x' alone predicts the target\n" in text
    assert max(map(len, text.splitlines())) < 500
    many = tuple(map(str, range(20)))
    assert "… and 10 more warnings" in ended(StepResult("train", "core/train", "done", "t", warnings=many))


def test_no_command_names_a_store_that_is_gone() -> None:
    """A run of `ci release` or `reproduce` is tracked in a temporary folder: there is nothing to look at, to
    serve or to promote afterwards. A folder of the user's may have a similar name.
    """
    trained = StepResult("train", "core/train", "done", "t", metrics={"auc": 0.5}, models=("best",))
    with scratch() as temp:
        assert ended(trained, uri=f"sqlite:///{temp}/mlflow.db") == "  train: auc 0.5000"
    assert "look at it: mlflow ui" in ended(trained, uri="sqlite:////home/me/waypost-runs/mlflow.db")
