"""`waypost score`: whole tables, killed and resumed, equal to what MLflow says."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from tests import models
from tests.conftest import ROOT, Call
from tests.forks import Forks
from tests.repositories import free_port
from tests.serving import serving
from tests.test_reference import QUICK
from tests.test_run import RUN
from waypost.batch.fingerprint import ScoringOptions
from waypost.batch.job import ScoringRequest, run
from waypost.batch.scoring import Progress
from waypost.errors import UsageError

SCORE = [sys.executable, "-m", "waypost", "score"]
TABLE = models.frame()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = models.full_pipeline(forest=RandomForestClassifier(10, random_state=0))
    model.fit(TABLE, models.labels(TABLE))
    return models.save(model, TABLE, tmp_path_factory.mktemp("model") / "grades")


def rows(count: int, seed: int = 3) -> pd.DataFrame:
    """Returns rows with an id and a column that the model does not know."""
    table = models.frame(count, seed)
    table.insert(0, "id", [f"id {i}" for i in range(count)])
    return table.assign(other=1)


def test_the_benchmark_sees_the_trees(saved: Path, tmp_path: Path) -> None:
    """What the trees take of a scoring process is measured in the real one."""
    rows(200).to_csv(tmp_path / "table.csv", index=False)
    command = [
        sys.executable,
        "-m",
        "benchmarks.tree_share",
        saved,
        tmp_path / "table.csv",
        tmp_path / "scored",
    ]
    output = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True).stdout
    of_threads, of_processor = (float(share) for share in output.split()[-2:])
    assert 0 < of_threads < 1
    assert 0 < of_processor < 1


def said_by(saved: Path, table: pd.DataFrame) -> list[str]:
    found: list[str] = mlflow.sklearn.load_model(str(saved)).predict(table[list(TABLE)]).tolist()
    return found


def content(folder: Path) -> dict[str, str]:
    """Returns the digests of a result's files, by their names."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def result_of(folder: Path) -> pd.DataFrame:
    files = sorted(folder.glob("part-*"))
    read = pd.read_parquet if files[0].suffix == ".parquet" else pd.read_csv
    return pd.concat([read(file) for file in files], ignore_index=True)


def write(table: pd.DataFrame, place: Path) -> str:
    """Writes a table in the form that a name asks for; returns what names it as an input."""
    match place.name:
        case "table.parquet":
            table.to_parquet(place, row_group_size=700)
        case "table.csv":
            table.to_csv(place, index=False)
        case "table.csv.gz":
            place.write_bytes(gzip.compress(table.to_csv(index=False).encode()))
        case "folder":
            (place / "_hidden").mkdir(parents=True)
            (place / "_hidden" / "x.csv").write_text("nonsense")
            table.iloc[:1200].to_parquet(place / "a.parquet")
            table.iloc[1200:].to_csv(place / "b.csv", index=False)
        case "glob":
            place.mkdir()
            for start in range(0, len(table), 900):
                table.iloc[start : start + 900].to_parquet(place / f"p{start:05}.parquet")
            return str(place / "p*.parquet")
        case "url":
            table.to_parquet(place.with_suffix(".parquet"))
            return f"file://{place.with_suffix('.parquet')}"
    return str(place)


@pytest.mark.parametrize("form", ["table.parquet", "table.csv", "table.csv.gz", "folder", "glob", "url"])
def test_each_input_gets_the_originals_labels(form: str, saved: Path, workplace: Path, call: Call) -> None:
    """Parquet, CSV, gzip, a folder of both, a glob, a URL: every row answered as scikit-learn does, in
    order, with its id.
    """
    table = rows(2500)
    if form not in ("table.parquet", "glob", "url"):  # CSV knows no empty text beside a missing one
        table = table.replace({"city": {"": None}})  # type: ignore[arg-type]
    source = write(table, workplace / form)
    result = call(*SCORE, saved, source, "out", "--id", "id", "--part-rows", "1000", "--no-track")
    assert result.returncode == 0, result.stderr
    found = result_of(workplace / "out")
    assert list(found) == ["id", "prediction"]
    assert found["id"].tolist() == table["id"].tolist()
    assert found["prediction"].tolist() == said_by(saved, table)
    manifest = json.loads((workplace / "out" / "_manifest.json").read_text())
    assert [part["rows"] for part in manifest["parts"]] == [1000, 1000, 500]
    for part in manifest["parts"]:
        assert content(workplace / "out")[part["name"]] == part["sha256"]


def test_probabilities_csv_and_row_numbers(saved: Path, workplace: Path, call: Call) -> None:
    """By the name of the output CSV; without an id the row's number; probabilities are the original's."""
    table = rows(300)
    write(table, workplace / "table.parquet")
    result = call(*SCORE, saved, "table.parquet", "out.csv", "--probabilities", "--no-track")
    assert result.returncode == 0, result.stderr
    found = result_of(workplace / "out.csv")
    assert found["row"].tolist() == list(range(300))
    original = mlflow.sklearn.load_model(str(saved))
    columns = [f"probability_{name}" for name in original.classes_]
    np.testing.assert_allclose(
        found[columns].to_numpy(), original.predict_proba(table[list(TABLE)]), rtol=0, atol=1e-12
    )


@contextlib.contextmanager
def stock_server(folder: Path, cwd: Path, forks: Forks) -> Iterator[str]:
    """Runs `mlflow models serve` on a model."""
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", str(folder), "-p", str(port), "--env-manager", "local"]
    process = forks.start(command, cwd, dict(os.environ), start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"{url}/ping", timeout=5)
                break
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def all_four(
    call: Call, forks: Forks, folder: Path, table: pd.DataFrame, workplace: Path
) -> dict[str, list[str]]:
    """Returns what `score`, `serve`, `mlflow models predict` and `mlflow models serve` say of a table."""
    name = folder.name
    table.to_csv(workplace / f"{name}.csv", index=False)
    scored = call(*SCORE, folder, f"{name}.csv", f"{name}-out", "--no-track")
    assert scored.returncode == 0, scored.stderr
    predicted = call(
        *("mlflow", "models", "predict", "-m", folder, "-i", f"{name}.csv", "-t", "csv"),
        *("-o", f"{name}.json", "--env-manager", "local"),
    )
    assert predicted.returncode == 0, predicted.stderr
    asked = {"dataframe_split": json.loads(table.to_json(orient="split", double_precision=15))}
    with serving(folder, cwd=workplace) as server:
        online = server.ask(asked).json()["predictions"]
    with stock_server(folder, workplace, forks) as url:
        stock = requests.post(f"{url}/invocations", json=asked, timeout=60).json()["predictions"]
    return {
        "score": result_of(workplace / f"{name}-out")["prediction"].tolist(),
        "serve": online,
        "mlflow models predict": json.loads((workplace / f"{name}.json").read_text())["predictions"],
        "mlflow models serve": stock,
    }


@pytest.mark.journey
@pytest.mark.parametrize("name", ["binary", "text"])
def test_online_offline_and_stock_agree(name: str, workplace: Path, call: Call, forks: Forks) -> None:
    """A binary model without text, and one with: four ways to ask, the same answers."""
    table = rows(400, seed=9).replace({"city": {"": None}})  # type: ignore[arg-type]
    columns = ["amount", "age"] if name == "binary" else list(TABLE)
    forest = RandomForestClassifier(15, random_state=1)
    one = (
        make_pipeline(SimpleImputer(), forest) if name == "binary" else models.full_pipeline(encode="onehot")
    )
    one.fit(TABLE[columns], models.labels(TABLE, 2 if name == "binary" else 5))
    folder = models.save(one, TABLE[columns], workplace / name)
    found = all_four(call, forks, folder, table[columns], workplace)
    assert len(found["score"]) == 400
    assert all(said == found["score"] for said in found.values())


@pytest.mark.journey
@pytest.mark.xdist_group("reference")
def test_reference_model_online_offline_and_stock(workplace: Path, call: Call, forks: Forks) -> None:
    """The reference pipeline's model on its whole test table: four ways to ask, the same answers."""
    result = call(*RUN, ROOT / "pipeline", "--json", *QUICK, "evaluate.min_auc=0.6")
    assert result.returncode == 0, result.stderr
    steps = {step["name"]: step["run_id"] for step in json.loads(result.stdout)["steps"]}
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    test = mlflow.artifacts.download_artifacts(f"runs:/{steps['segregate']}/test.parquet")
    folder = Path(mlflow.artifacts.download_artifacts(f"runs:/{steps['train']}/model", dst_path="own"))
    names = [column.name for column in mlflow.models.get_model_info(str(folder)).signature.inputs.inputs]
    table = pd.read_parquet(test)[names]
    # `mlflow models predict` takes no whole numbers in a CSV for a column of doubles.
    table = table.astype(dict.fromkeys(table.select_dtypes("number"), "float64"))
    found = all_four(call, forks, folder, table, workplace)
    assert len(found["score"]) == 3000
    for way, said in found.items():
        assert said == found["score"], way


def test_bad_row_fails_and_is_named(saved: Path, workplace: Path, call: Call) -> None:
    """A row that cannot be answered: exit code 1, file, column and row; no manifest."""
    table = rows(3000)
    table.loc[2100, "amount"] = 1e300
    write(table, workplace / "table.parquet")
    result = call(*SCORE, saved, "table.parquet", "out", "--part-rows", "1000", "--no-track")
    assert result.returncode == 1
    assert "column 'amount', row 2100: the value is too large" in result.stderr
    assert not (workplace / "out" / "_manifest.json").exists()


def test_bad_rows_are_skipped_and_told(saved: Path, workplace: Path, call: Call) -> None:
    """With --on-error skip, only the bad rows are missing; each is told with row, id, column and reason,
    lines that are no rows too.
    """
    table = rows(2000).replace({"city": {"": None}})  # type: ignore[arg-type]
    lines = table.to_csv(index=False).splitlines()
    for place, cell in ((5, "much"), (1500, "1e300")):
        cells = lines[place + 1].split(",")
        cells[1] = cell
        lines[place + 1] = ",".join(cells)
    lines.insert(700, "too,few")
    (workplace / "table.csv").write_text("\n".join(lines) + "\n")
    options = ["--on-error", "skip", "--id", "id", "--part-rows", "800", "--no-track"]
    result = call(*SCORE, saved, "table.csv", "out", *options)
    assert result.returncode == 0, result.stderr
    assert "3 rows skipped" in result.stderr
    found = result_of(workplace / "out")
    good = table.drop(index=[5, 1500])
    assert found["id"].tolist() == good["id"].tolist()
    assert found["prediction"].tolist() == said_by(saved, good)
    told = [
        json.loads(line)
        for file in sorted((workplace / "out" / "_errors").glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    assert [(t["row"], t["id"], t["column"]) for t in told] == [
        (5, "id 5", "amount"),
        (1500, "id 1500", "amount"),
    ]
    assert "'much' is not a valid number" in told[0]["problem"]
    assert (workplace / "out" / "_errors" / "malformed.txt").read_text() == "too,few\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nothing.csv", "out"), 2, "there is nothing here"),
        (("empty", "out"), 2, "there is nothing here"),
        (("wrong.csv", "out"), 1, "wrong.csv: column 'amount' is missing"),
        (("table.parquet", "out", "--id", "di"), 2, "--id di: no such column"),
        (("table.parquet", "full"), 2, "not empty, it has mine.txt"),
        (("table.parquet", "table.parquet"), 2, "is a file"),
        (("broken.parquet", "out"), 1, "broken.parquet: cannot be read"),
        (("nowhere://x/y.csv", "out"), 2, "nowhere"),
    ],
)
def test_what_cannot_be_scored_is_told(
    arguments: tuple[str, ...], code: int, message: str, saved: Path, workplace: Path, call: Call
) -> None:
    """Wrong inputs and outputs: one line that says what and where."""
    write(rows(50), workplace / "table.parquet")
    (workplace / "empty").mkdir()
    (workplace / "wrong.csv").write_text("a,b\n1,2\n")
    (workplace / "broken.parquet").write_bytes(b"PAR1 and nothing")
    (workplace / "full").mkdir()
    (workplace / "full" / "mine.txt").write_text("x")
    result = call(*SCORE, saved, *arguments, "--no-track")
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_again_overwrite_and_other_orders(saved: Path, workplace: Path, call: Call) -> None:
    """The same again: nothing to do. Other options with the same folder: refused, unless it overwrites;
    what others put there stays.
    """
    write(rows(500), workplace / "table.parquet")
    first = [*SCORE, saved, "table.parquet", "out", "--part-rows", "200", "--no-track"]
    assert call(*first).returncode == 0
    before = content(workplace / "out")
    again = call(*first)
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)
    os.utime(workplace / "table.parquet")  # touched, but the same content
    assert "nothing to do" in call(*first).stderr
    other = call(*first, "--probabilities")
    assert other.returncode == 2
    assert "holds another result" in other.stderr
    assert content(workplace / "out") == before
    assert call(*first, "--probabilities", "--overwrite").returncode == 0
    assert "probability_grade 0" in result_of(workplace / "out")
    (workplace / "out" / "mine.txt").write_text("x")
    kept = call(*first, "--overwrite")
    assert kept.returncode == 2
    assert "not empty, it has mine.txt" in kept.stderr
    assert (workplace / "out" / "mine.txt").exists()


def test_changed_input_is_not_gone_on_with(saved: Path, workplace: Path, call: Call) -> None:
    """What was begun with another input is not finished with this one."""
    write(rows(500), workplace / "table.parquet")
    first = [*SCORE, saved, "table.parquet", "out", "--part-rows", "100", "--no-track"]
    assert call(*first).returncode == 0
    manifest = workplace / "out" / "_manifest.json"
    plan = json.loads(manifest.read_text())
    plan["inputs"] = [{"path": "elsewhere.parquet", "size": 1, "state": ""}]
    (workplace / "out" / "_plan.json").write_text(json.dumps(plan))
    manifest.unlink()
    result = call(*first)
    assert result.returncode == 2
    assert "it was started with other inputs" in result.stderr


def test_changed_content_is_seen(saved: Path, workplace: Path, call: Call) -> None:
    """Another content of the same size under the same name is another input."""
    (workplace / "t.csv").write_text("amount,age,city,kind,note\n1,2,Berlin,own,red\n")
    first = [*SCORE, saved, "t.csv", "out", "--no-track"]
    assert call(*first).returncode == 0
    (workplace / "t.csv").write_text("amount,age,city,kind,note\n9,2,Berlin,own,red\n")
    result = call(*first)
    assert result.returncode == 2
    assert "holds another result" in result.stderr


@pytest.mark.journey
def test_killed_five_times_the_same_bytes(saved: Path, workplace: Path, call: Call, forks: Forks) -> None:
    """Killed with -9 five times at random points, then finished: every file is byte by byte that of an
    uninterrupted run, and nothing else is there.
    """
    table = pd.concat([rows(20_000, seed) for seed in range(20)], ignore_index=True)
    table.loc[[70_000, 333_333], "amount"] = 1e300
    table.replace({"city": {"": None}}).to_csv(workplace / "big.csv", index=False)  # type: ignore[arg-type]
    options = ["--part-rows", "2000", "--on-error", "skip", "--id", "id", "--no-track"]
    whole = call(*SCORE, saved, "big.csv", "whole", *options)
    assert whole.returncode == 0, whole.stderr
    choose = random.Random()
    kills = 0
    for _ in range(5):
        command = [str(a) for a in (*SCORE, saved, "big.csv", "broken", *options)]
        process = forks.start(command, workplace, dict(os.environ))
        # At least one part is written each time, so that there is something to go on with.
        before = len(list((workplace / "broken").glob("part-*")))
        for _ in range(600):
            if len(list((workplace / "broken").glob("part-*"))) > before + choose.randint(0, 3):
                break
            time.sleep(0.01)
        time.sleep(choose.random() * 0.05)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert kills == 5
    assert not (workplace / "broken" / "_manifest.json").exists()
    last = call(*SCORE, saved, "big.csv", "broken", *options)
    assert last.returncode == 0, last.stderr
    assert "existed already" in last.stderr
    assert content(workplace / "broken") == content(workplace / "whole")
    left = list((Path(os.environ["TMPDIR"])).glob("waypost-*"))
    for folder in left:  # the killed ones' own; the next process sweeps them
        shutil.rmtree(folder)
    assert len(left) <= 1


class Interrupting(Progress):
    """Ends a scoring once some parts are written, as SIGINT does."""

    def advanced(self, rows: int, read: int) -> None:
        raise KeyboardInterrupt


def test_begun_result_is_gone_on_with_as_it_was_left(saved: Path, workplace: Path) -> None:
    """Parts are taken up only where they are listed and as they were written; nobody else's are replaced."""
    write(rows(900), workplace / "table.parquet")
    options = ScoringOptions(part_rows=100)

    def score(output: str, progress: Progress | None = None, **more: Any) -> Any:
        job = ScoringRequest(str(saved), "table.parquet", output, options, threads=1, track=False, **more)
        return run(job, progress or Progress(), lambda _: None, pytest.fail).scored

    score("whole")
    with pytest.raises(KeyboardInterrupt):
        score("out", Interrupting())
    out = workplace / "out"
    before = content(out)
    assert {"_plan.json", "_parts/00000.json", "part-00000.parquet"} <= before.keys()
    for name, problem in (
        ("part-00000", "changed since it was written"),
        ("part-00008", "not empty, it has part-00008"),
    ):
        part = out / f"{name}.parquet"
        kept = part.read_bytes() if part.exists() else b""
        part.write_bytes(b"mine")
        for more in ({}, {"overwrite": True}):
            with pytest.raises(UsageError, match=problem):
                score("out", None, **more)
        assert part.read_bytes() == b"mine"
        part.write_bytes(kept)
        if not kept:
            part.unlink()
    assert before.items() <= content(out).items()  # the thread may have written the next part meanwhile
    assert score("out").resumed > 0
    assert content(out) == content(workplace / "whole")
    parts = [f"part-0000{i}.parquet" for i in range(9)]
    assert sorted(path.name for path in out.iterdir()) == ["_manifest.json", *parts]


def test_input_is_not_the_output(saved: Path, workplace: Path, call: Call) -> None:
    """`score --overwrite MODEL F F` and its like: exit code 2 before the model is read; nothing changed."""
    (workplace / "folder").mkdir()
    write(rows(50), workplace / "table.parquet")
    (workplace / "table.parquet").rename(workplace / "folder" / "part-00000.parquet")
    before = content(workplace)
    for output in ("folder", "folder/out", "."):
        result = call(*SCORE, "models:/nothing/1", "folder", output, "--overwrite", "--no-track")
        assert result.returncode == 2
        assert "contains the input" in result.stderr or "inside the input" in result.stderr
        assert len(result.stderr.splitlines()) == 2
    assert content(workplace) == before


@pytest.mark.journey
def test_interrupted_goes_on(saved: Path, workplace: Path, call: Call, forks: Forks) -> None:
    """SIGINT: exit code 130, the run is closed as KILLED; the same command goes on and the run says so."""
    table = pd.concat([rows(20_000, seed) for seed in range(8)], ignore_index=True)
    table.to_parquet(workplace / "big.parquet")
    command = [str(a) for a in (*SCORE, saved, "big.parquet", "out", "--part-rows", "5000")]
    process = forks.start(command, workplace, dict(os.environ), stderr=subprocess.PIPE)
    for _ in range(6000):
        if list((workplace / "out").glob("part-*")):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    result = call(*command)
    assert result.returncode == 0, result.stderr
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    runs: Any = mlflow.search_runs(experiment_names=["scoring"], order_by=["start_time"])
    assert runs["status"].tolist() == ["KILLED", "FINISHED"]


def test_tracked_with_the_digests_of_both_sides(saved: Path, workplace: Path, call: Call) -> None:
    """The MLflow run has the model, the options, rows and time, and the manifest with all digests."""
    write(rows(700), workplace / "table.parquet")
    result = call(*SCORE, saved, "table.parquet", "out", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    run = client.get_run(told["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["rows"] == 700
    assert run.data.params["input"] == "table.parquet"
    assert run.data.tags["waypost.model.digest"] == told["model"]["digest"]
    mlflow.set_tracking_uri(client.tracking_uri)
    kept = json.loads(mlflow.artifacts.load_text(f"runs:/{told['run_id']}/manifest.json"))
    digest = hashlib.sha256((workplace / "table.parquet").read_bytes()).hexdigest()
    assert kept["inputs"][0]["digest"] == digest
    assert kept["parts"][0]["sha256"] == content(workplace / "out")["part-00000.parquet"]


def test_tracking_trouble_never_fails_the_work(saved: Path, workplace: Path, call: Call) -> None:
    """A tracking server that nobody runs: the result is there, one warning says that it is not tracked."""
    write(rows(100), workplace / "table.parquet")
    nobody = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    result = call(*SCORE, saved, "table.parquet", "out", env=nobody)
    assert result.returncode == 0, result.stderr
    assert "the result is complete, but not tracked" in result.stderr
    assert (workplace / "out" / "_manifest.json").exists()


def test_original_scores_what_is_not_compiled(workplace: Path, call: Call) -> None:
    """A model without a compiled form scores as it is, in several threads, and says why."""
    numbers = TABLE[["amount", "age"]]
    model = make_pipeline(SimpleImputer(), GaussianNB())
    model.fit(numbers, models.labels(TABLE))
    folder = models.save(model, numbers, workplace / "linear")
    table = rows(2000)
    write(table, workplace / "table.parquet")
    result = call(*SCORE, folder, "table.parquet", "out", "--part-rows", "300", "--no-track")
    assert result.returncode == 0, result.stderr
    assert "the original answers: GaussianNB has no compiled form" in result.stderr
    assert result_of(workplace / "out")["prediction"].tolist() == model.predict(table[list(numbers)]).tolist()


def test_a_bucket_as_input_and_output(saved: Path, workplace: Path) -> None:
    """Any fsspec URL on both sides, here a store of objects in memory: the parts, the errors and the
    manifest are there, and the same again is current.
    """
    table = rows(600)
    table.loc[7, "amount"] = 1e300
    bucket = fsspec.filesystem("memory")
    for start in (0, 300):
        with bucket.open(f"/in/p{start}.parquet", "wb") as file:
            table.iloc[start : start + 300].to_parquet(file)
    options = ScoringOptions(ids=("id",), part_rows=250, on_error="skip")
    job = ScoringRequest(str(saved), "memory://in/*.parquet", "memory://scored", options, track=False)
    done = run(job, Progress(), lambda _: None, pytest.fail)
    assert (done.scored.rows, done.scored.skipped) == (599, 1)
    names = {path.removeprefix("/scored/") for path in bucket.find("/scored")}
    assert names == {
        *(f"part-0000{i}.parquet" for i in range(3)),
        "_errors/part-00000.jsonl",
        "_manifest.json",
    }
    with bucket.open("/scored/part-00000.parquet") as file:
        found = pd.read_parquet(file)
    assert found["prediction"].tolist() == said_by(saved, table.drop(index=7).iloc[:249])
    assert run(job, Progress(), lambda _: None, pytest.fail).scored.is_current
