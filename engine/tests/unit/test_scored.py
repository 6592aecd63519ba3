"""A whole scoring with a model of one line: what is written, refused, gone on with, and left behind."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from waypost.batch.fingerprint import ScoringOptions, differences, plan_of
from waypost.batch.input_digests import Digests
from waypost.batch.inputs import Listing
from waypost.batch.job import ScoringRequest, run
from waypost.batch.output_folder import MANIFEST, PLAN, Plan
from waypost.batch.readers import Input
from waypost.batch.scoring import Progress, Scored, on_threads, score
from waypost.batch.sink import Sink
from waypost.contracts.mlmodel import Column, MLmodel
from waypost.errors import UsageError, WaypostError
from waypost.inference.compiled import Answer
from waypost.inference.fetching import FetchedModel
from waypost.inference.layout import Layout, TableError
from waypost.inference.model_cache import ReadyModel
from waypost.inference.proof import Proof
from waypost.inference.table import from_arrow

LAYOUT = Layout((Column(name="a", type="double"), Column(name="t", type="string", required=False)))
SAID = MLmodel(flavors={"python_function": {}})
Say = Callable[[list[float]], list[Any]]


@dataclass
class Doubling:
    """Answers twice `a`, and refuses what is negative; `say` makes something else of the doubles."""

    say: Say = field(default=lambda doubles: doubles)
    classes: Any = None
    layout: Layout = LAYOUT

    def of_table(self, table: pa.Table) -> Answer:
        values = from_arrow(table, self.layout).numbers[:, 0]
        if (values < 0).any():
            row = int(np.argmax(values < 0))
            raise TableError(f"column 'a', row {row}: it is negative", column="a", row=row)
        said = self.say((2 * values).tolist())
        labels = np.empty(len(said), dtype=object)
        labels[:] = said
        chances = np.array([[0.25, 0.75]] * len(said)).reshape(len(said), 2)
        return Answer(labels, chances)


class Interrupting(Progress):
    """Ends a scoring once a part is written, as SIGINT does."""

    def advanced(self, rows: int, read: int) -> None:
        raise KeyboardInterrupt


def scored(
    source: Path,
    output: Path,
    model: Doubling | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Scored:
    wanted = ScoringOptions(**options)
    listing = Listing(str(source))
    given = Input(listing, LAYOUT, (), wanted.on_error == "skip", wanted.asked)
    given.carried = wanted.carried(given.names())
    wanted.check_there(given.carried, given.names())
    given.check()
    answers: Any = model or Doubling()
    made = ReadyModel(Path("m"), "d", SAID, Proof(is_equal=True), answers)
    fetched = FetchedModel(uri="m", label="m", folder=Path("m"), digest="0123456789abcdef")
    with Digests(listing) as digests:
        for number in range(len(listing.sources)):
            digests.of(number)
        answered = on_threads(made, given, wanted, 1)
        return score(fetched, given, digests, Sink(str(output)), wanted, answered, progress or Progress())


def result(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("part-*"))], ignore_index=True)


def told(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "_errors").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def table(file: Path, values: list[Any]) -> Path:
    file.write_text("a,t\n" + "".join(f"{value},u\n" for value in values))
    return file


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("values", [["x", "y", 1], [-1, "x", 1], ["x", -2], [-1] * 5, [1, 2]])
def test_skipped_rows_are_all_that_is_missing(values: list[Any], here: Path) -> None:
    """By value or by the model's word, alone in a part or all of it: the rest is answered, in one type."""
    source = table(here / "x.csv", values)
    scored(source, here / "out", on_error="skip", part_rows=2)
    good = [row for row, value in enumerate(values) if value not in {"x", "y"} and value > 0]
    found = result(here / "out")
    assert found["row"].tolist() == good
    assert found["prediction"].tolist() == [2.0 * values[row] for row in good]
    assert [problem["row"] for problem in told(here / "out")] == sorted(set(range(len(values))) - set(good))
    assert {str(pd.read_parquet(file)["prediction"].dtype) for file in (here / "out").glob("part-*")} == {
        "float64"
    }


def test_wrong_row_is_named_by_its_file(here: Path) -> None:
    """Of many files the one and the number in it, whether it fails or is skipped."""
    (here / "in").mkdir()
    table(here / "in" / "1.csv", [1, 2, 3])
    table(here / "in" / "2.csv", [4, -5, "x"])
    with pytest.raises(TableError, match=r"^2\.csv: column 'a', row [12]: ") as error:
        scored(here / "in", here / "fail")
    assert error.value.hint == ""
    scored(here / "in", here / "out", on_error="skip", ids=("t",))
    found = [
        (p["row"], p["file"], p["file_row"], p["t"], p["column"], p["problem"]) for p in told(here / "out")
    ]
    assert found == [
        (4, "2.csv", 1, "u", "a", "column 'a', row 1: it is negative"),
        (5, "2.csv", 2, "u", "a", "column 'a', row 2: 'x' is not a valid number"),
    ]


def test_no_rows_are_a_part_with_columns(here: Path) -> None:
    """A header alone gives a part without rows that has the columns, and a type for each."""
    scored(
        table(here / "x.csv", []),
        here / "out",
        keep=("t",),
        probabilities=True,
        model=Doubling(classes=CLASSES),
    )
    [part] = json.loads((here / "out" / MANIFEST).read_text())["parts"]
    assert (part["name"], part["rows"]) == ("part-00000.parquet", 0)
    types = {name: str(kind) for name, kind in result(here / "out").dtypes.items()}
    assert list(types) == ["row", "t", "prediction", "probability_no", "probability_yes"]
    assert types["probability_no"] == "float64"


CLASSES = np.array(["no", "yes"], dtype=object)


def test_kept_columns_stand_beside_the_answer(here: Path) -> None:
    """Some or all, as they stand in the file; the id first."""
    (here / "x.csv").write_text("id,a,t,zip\nNA,1.50,u,007\nnull, 2 ,,\n")
    scored(here / "x.csv", here / "all", ids=("id",), keep=("all",))
    scored(here / "x.csv", here / "some.csv", keep=("zip",), format="csv")
    assert result(here / "all").to_dict("list") == {
        "id": ["NA", "null"],
        "a": ["1.50", " 2 "],
        "t": ["u", ""],
        "zip": ["007", ""],
        "prediction": [3.0, 4.0],
    }
    rows = list(csv.reader((here / "some.csv" / "part-00000.csv").open()))
    assert rows == [["row", "zip", "prediction"], ["0", "007", "3"], ["1", "", "4"]]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"ids": ("prediction",)}, "--id prediction: the answer has a column of the same name"),
        ({"keep": ("a", "prediction")}, "--keep prediction: the answer has"),
        ({"keep": ("row",)}, "--keep row: the answer has"),
        ({"ids": ("file",), "on_error": "skip"}, "--id file: lines of errors have a key of the same name"),
    ],
)
def test_names_that_collide_are_refused(options: dict[str, Any], problem: str) -> None:
    """What is carried over and what is answered have names of their own, known before anything is read."""
    with pytest.raises(UsageError, match=problem):
        ScoringOptions(**options).check_names(ScoringOptions(**options).carried())
    ScoringOptions(ids=("row", "file"), keep=("probability_x",)).check_names(("row", "file", "probability_x"))


def test_names_that_the_model_gives_collide(here: Path) -> None:
    """A class of the model, or a column of the table that it answers: refused, and nothing is left."""
    (here / "x.csv").write_text("a,probability_yes,score\n1,2,3\n")
    records = Doubling(lambda doubles: [{"score": value} for value in doubles])
    chances = Doubling(classes=CLASSES)
    for name, model in (("score", records), ("probability_yes", chances)):
        with pytest.raises(UsageError, match=f"--keep {name}: the answer has a column of the same name"):
            scored(here / "x.csv", here / "out", model, keep=(name,), probabilities=model is chances)
        assert not list((here / "out").glob("*"))


def test_table_as_an_answer(here: Path) -> None:
    """Its columns are the result's; lists are one column of Parquet, and one line where CSV has no place."""
    source = table(here / "x.csv", [1, 2])
    scored(source, here / "records", Doubling(lambda d: [{"score": v, "label": "ä"} for v in d]))
    assert result(here / "records").to_dict("list") == {
        "row": [0, 1],
        "score": [2.0, 4.0],
        "label": ["ä", "ä"],
    }
    lists = Doubling(lambda doubles: [[value, 0.0] for value in doubles])
    scored(source, here / "lists", lists)
    assert [list(v) for v in result(here / "lists")["prediction"]] == [[2, 0], [4, 0]]
    with pytest.raises(UsageError, match="the answers cannot be written as csv") as error:
        scored(source, here / "csv", lists, format="csv")
    assert error.value.hint == "write Parquet: --format parquet"
    for said in (lambda d: [1, "x"], lambda d: [object()] * len(d)):
        with pytest.raises(WaypostError, match="the model's answers cannot be a column 'prediction'"):
            scored(source, here / "odd", Doubling(said))
    with pytest.raises(UsageError, match="--probabilities: this model has none"):
        scored(source, here / "none", probabilities=True)


def test_failed_call_does_not_occupy_its_folder(here: Path) -> None:
    """What cannot be answered leaves nothing behind: other options work there."""
    source = table(here / "x.csv", [1, 2, 3, 4, 5, -6])
    with pytest.raises(TableError):
        scored(source, here / "out", part_rows=1)
    assert not any(path.is_file() for path in (here / "out").rglob("*"))
    scored(source, here / "out", on_error="skip")
    assert len(result(here / "out")) == 5


def begun(source: Path, output: Path, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        scored(source, output, progress=Interrupting(), part_rows=1, **options)
    assert (output / PLAN).exists()


def changed(file: Path) -> None:
    """Gives a file another content of equal size and time."""
    state = file.stat()
    file.write_text(file.read_text().replace("1,u", "7,u"))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size


def test_digest_decides_what_is_current(here: Path) -> None:
    """Equal size and time, another content: another result. Another time, the same content: the same."""
    source = table(here / "x.csv", [1, 2])
    scored(source, here / "out")
    os.utime(source, (1, 1))
    assert scored(source, here / "out").is_current
    changed(source)
    with pytest.raises(
        UsageError, match=r"holds another result, made with other inputs: .*x\.csv has changed"
    ):
        scored(source, here / "out")


def test_digest_decides_what_is_gone_on_with(here: Path) -> None:
    """Once it is known; where it is not, parts are made again, of the rows that are there now."""
    source = table(here / "x.csv", [1, 2, 3])
    begun(source, here / "out")
    os.utime(source, (1, 1))
    assert scored(source, here / "out", part_rows=1).resumed > 0
    begun(source, here / "other")
    changed(source)
    with pytest.raises(UsageError, match=r"it was started with other inputs: .*x\.csv has changed"):
        scored(source, here / "other", part_rows=1)
    for note in (here / "other" / "_parts").glob("*.json"):  # killed before the digest was found
        note.write_text(json.dumps({k: v for k, v in json.loads(note.read_text()).items() if k != "inputs"}))
    assert scored(source, here / "other", part_rows=1).resumed == 0
    assert result(here / "other")["prediction"].tolist() == [14, 4, 6]


def test_what_differs_is_said_in_words() -> None:
    """No JSON: the options, the files, the model, the versions; nothing where nothing differs."""
    fetched = FetchedModel(uri="m", label="m/1", folder=Path("m"), digest="0123456789abcdef")
    now = Plan.model_validate(plan_of(fetched, [], ScoringOptions(ids=("id",), part_rows=5)))
    assert list(differences(now, now, {})) == []
    old = now.model_copy(
        update={
            "order": {
                "ids": ["id"],
                "probabilities": False,
                "format": "parquet",
                "part_rows": 5,
                "on_error": "fail",
            }
        }
    )
    assert list(differences(old, now, {})) == []
    other = ScoringOptions(ids=("id", "x"), keep=("all",), probabilities=True, separator=";")
    then = Plan.model_validate(plan_of(fetched.model_copy(update={"label": "m/2"}), [], other))
    then.made_with["numpy"] = "1.0"
    assert list(differences(then, now, {})) == [
        "a different model: m/2 (01234567…), now m/1 (01234567…)",
        "different options: --id id, x, now --id id, --probabilities, now no --probabilities, "
        "--part-rows 16384, now --part-rows 5, --keep all, now no --keep, --separator ;, now no --separator",
        f"a different numpy: 1.0, now {np.__version__}",
    ]


def test_verdict_of_any_difference_is_read_again() -> None:
    """Infinity and NaN, too: what cannot be read is found anew at each call."""
    for difference in (float("inf"), float("nan"), 0.5):
        proof = Proof(is_equal=False, reason="it differs", largest_difference=difference)
        again = Proof.model_validate_json(proof.model_dump_json())
        assert again.model_dump_json() == proof.model_dump_json()


MLMODEL = """
flavors: {python_function: {loader_module: nowhere}}
signature: {inputs: '[{"name": "a", "type": "double"}]'}
"""


def test_columns_are_checked_before_a_model_is_compiled(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and columns that do not fit are told at once, of a model that nobody could load."""
    monkeypatch.chdir(here)
    (here / "model").mkdir()
    (here / "model" / "MLmodel").write_text(MLMODEL)
    (here / "x.csv").write_text("b\n1\n")
    (here / "y.csv").write_text("a\n1\n")

    def told(source: str, **options: Any) -> str:
        job = ScoringRequest("model", source, "out", ScoringOptions(**options), track=False)
        with pytest.raises(WaypostError) as error:
            run(job, Progress(), lambda _: None, pytest.fail)
        return str(error.value)

    assert told("x.csv") == "x.csv: column 'a' is missing"
    assert told("y.csv", ids=("z",)) == "--id z: no such column"
    assert told("nothing.csv", keep=("prediction",)).startswith("--keep prediction: the answer has a column")
    assert not (here / "out").exists()


def test_a_file_that_changes_while_the_model_is_loaded(tmp_path: Path) -> None:
    """The digest is that of the content that is read after that, also if the first one was computed."""
    first, second = table(tmp_path / "1.csv", [1]), table(tmp_path / "2.csv", [1])
    with Digests(Listing(str(tmp_path))) as digests:
        before = digests._found[0]
        table(second, [1, 2])
        digests.renew()
        assert digests._found[0] is before
        assert digests.of(1) == hashlib.sha256(second.read_bytes()).hexdigest()
        first.unlink()
        digests.renew()
        with pytest.raises(WaypostError, match=r"1\.csv: cannot be read"):
            digests.of(0)


def test_a_refusal_does_not_wait_for_digests(tmp_path: Path) -> None:
    """The digest of a large table, computed meanwhile, is dropped half done where the scoring ends with an
    error.
    """
    table = tmp_path / "t.csv"
    with table.open("wb") as file:
        file.truncate(1 << 38)
    digests = Digests(Listing(str(table)))
    with pytest.raises(ValueError, match="refused"), digests:
        raise ValueError("refused")
    digests._pool.shutdown(wait=True)
    (found,) = digests._found
    assert found.cancelled() or not found.result()
