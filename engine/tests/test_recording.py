"""Which run becomes the record of a release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repositories import Repository, make_repository
from waypost.contracts.provenance import ParameterFile, Place, Provenance, provenance_text, tags
from waypost.errors import UsageError
from waypost.interfaces.record import RunRecord, parse_record
from waypost.release.kinds import read_product
from waypost.release.recording import RecordRequest, write_run_record
from waypost.runs import drafts
from waypost.tracking.tracker import Tracker

SETTINGS = "[bumpversion]\ncurrent_version = 1.0.0\ncommit = False\ntag = False\n"
PIPELINE = (
    "name: small\ncomponents: {parts: {path: parts}}\nsteps: {one: {uses: parts/a}, two: {uses: parts/a}}\n"
)


@pytest.fixture
def pipeline(workplace: Path) -> Iterator[Repository]:
    """A pipeline's repository with a release; whatever is asked for, the tracking server stays the same."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    repository = make_repository(workplace / "pipe")
    contents = {"setup.cfg": SETTINGS, "pipeline.yaml": PIPELINE, "params.yaml": "n: 2\n"}
    for name, text in {**contents, "CHANGELOG.md": "# Changelog\n"}.items():
        (repository.path / name).write_text(text)
    (repository.path / "releases").mkdir()
    repository.release("1.0.0")
    yield repository
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if before is not None:
        os.environ["MLFLOW_TRACKING_URI"] = before


class Runs:
    """Runs of the release on a tracking server, as the engine leaves them."""

    def __init__(self, pipeline: Repository) -> None:
        self.commit = pipeline.git("rev-parse", "v1.0.0^{commit}")
        self.tracker = Tracker("small")

    def made(
        self, *overrides: str, steps: tuple[str, ...] = ("one", "two"), more: dict[str, str] | None = None
    ) -> str:
        """Returns a finished run with some overrides, steps, and more tags."""
        place = Place(url="https://host/x", commit=self.commit, release="1.0.0")
        facts = Provenance(engine="1.1.0", pipeline="small", place=place, overrides=overrides)
        differing = {"n": ("5", "2")} if overrides else {}
        run_id = self.opened(**{**tags(facts, differing), **(more or {})})
        self.tracker.log_contents(run_id, {"waypost/run.json": provenance_text(facts).encode()})
        return self.ended(run_id, steps)

    def opened(self, **more: str) -> str:
        known = {"waypost.release": "1.0.0", "waypost.commit": self.commit}
        return self.tracker.open_pipeline({**known, **more})

    def ended(self, run_id: str, steps: tuple[str, ...] = ("one", "two"), status: str = "FINISHED") -> str:
        for name in steps:
            step = self.tracker.open_step(run_id, name, {})
            self.tracker.complete(step, {"out": "d"})
            self.tracker.close(step, "FINISHED")
            self.tracker.tag(run_id, {f"waypost.step.{name}": step})
        self.tracker.close(run_id, status)
        return run_id


def recorded(pipeline: Repository, **wish: str) -> RunRecord:
    file = write_run_record(read_product(pipeline.path), RecordRequest("1.0.0", **wish))
    return parse_record(RunRecord, file.read_text(), file.name)


def test_the_run_with_the_releases_own_parameters(pipeline: Repository) -> None:
    """The newest default run counts; one that is named is recorded with its overrides, in place of the first,
    which stays as it is.
    """
    runs = Runs(pipeline)
    plain = runs.made()
    other = runs.made("n=5")
    first = recorded(pipeline)
    assert (first.run_id, first.overrides, first.supersedes) == (plain, (), "")
    with pytest.raises(UsageError, match="already exists: records never change"):
        recorded(pipeline, run_id=other)
    second = recorded(pipeline, run_id=other, supersede="of five")
    assert (second.overrides, second.supersedes, second.reason) == (("n=5",), "1.0.0.run.json", "of five")
    names = sorted(path.name for path in (pipeline.path / "releases").iterdir())
    assert names == ["1.0.0.run.2.json", "1.0.0.run.json"]
    again = read_product(pipeline.path).run_record("1.0.0")
    assert again == second


def test_runs_that_are_no_production_runs(pipeline: Repository) -> None:
    """A run that failed, lacks steps, had other files or is of another commit is refused, and says why."""
    runs = Runs(pipeline)
    refused = {
        runs.ended(runs.opened(), status="FAILED"): "did not finish",
        runs.made(steps=("one",)): "does not cover the whole pipeline: it lacks two",
        runs.made(more={"waypost.dev": "true"}): "had other files than the release",
        runs.made(more={"waypost.commit": "0" * 40}): "is not one of the tag v1.0.0",
    }
    for run_id, reason in refused.items():
        with pytest.raises(UsageError, match=reason):
            recorded(pipeline, run_id=run_id)
    for wish in ({"supersede": "why"}, {"uri": f"sqlite:///{pipeline.path.parent / 'empty.db'}"}):
        with pytest.raises(UsageError, match=r"no run record that could|with its own parameters"):
            recorded(pipeline, **wish)


def test_runs_of_earlier_engines(pipeline: Repository) -> None:
    """A run that kept nothing but its parameters counts where they are those of the release."""
    runs = Runs(pipeline)
    plain, other = runs.opened(), runs.opened()
    runs.tracker.log_contents(plain, {"params.yaml": b"n: 2\n"})
    runs.tracker.log_contents(other, {"params.yaml": b"n: 5\n"})
    runs.ended(plain)
    with pytest.raises(UsageError, match="had other parameters than the release"):
        recorded(pipeline, run_id=runs.ended(other))
    assert recorded(pipeline, run_id=plain).run_id == plain


def test_where_the_run_was_made(pipeline: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tracking store of the machine's newest run of the release is found from any folder; a relative
    address means the same everywhere; one that is gone is not made again.
    """
    draft = drafts.Draft("r", "sqlite:///gone/mlflow.db")
    assert not draft.is_there
    monkeypatch.chdir(pipeline.path)
    assert drafts.absolute("sqlite:///mlflow.db") == f"sqlite:///{pipeline.path}/mlflow.db"
    assert drafts.absolute("sqlite:////a/mlflow.db") == "sqlite:////a/mlflow.db"
    assert drafts.absolute("https://host") == "https://host"
    assert drafts.find("1.0.0", "nothing") is None


def test_parameter_files_are_part_of_it() -> None:
    """What a --params file set is kept with the record, as a text."""
    content = {"files": (ParameterFile(name="more.yaml", text="n: 5\n"),)}
    base = dict.fromkeys(("version", "commit", "date", "run_id", "platform"), "x")
    told = RunRecord.model_validate({**base, "made_with": {}, "outputs": {}, "metrics": {}, **content})
    assert told.files[0].text == "n: 5\n"
