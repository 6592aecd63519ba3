"""Finished steps: what is computed once is not computed again, and what changed is."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Call
from tests.pipelines import write_component, write_pipeline
from tests.repositories import Repository
from tests.test_run import RUN, by_step, client, runs
from waypost.contracts.keys import FinishedStep, difference
from waypost.runs.index import Index
from waypost.sources.memo import Memo
from waypost.sources.web import validator

# Logs one file without MLflow, which these tests would wait for: the artifacts are a local folder.
COPY = """
import os, pathlib, sqlite3, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
store = sqlite3.connect(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))
query = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"
(uri,) = store.execute(query, (os.environ["MLFLOW_RUN_ID"],)).fetchone()
target = pathlib.Path(uri.removeprefix("file://"), "out.txt")
target.parent.mkdir(parents=True, exist_ok=True)
source = pathlib.Path(given.get("--data", ""))
text = source.read_text() if source.is_file() else given.get("--data", "")
target.write_text(text.strip() + given.get("--word", "")[:1])
"""


def write_copier(root: Path, name: str, **parameters: Any) -> None:
    """Writes a component that copies `data` and adds the first letter of `word`."""
    write_component(root, name, COPY, **parameters)
    project = root / name / "MLproject"
    contract = yaml.safe_load(project.read_text())
    contract["entry_points"]["main"]["outputs"] = {"out": {"path": "out.txt"}}
    project.write_text(yaml.safe_dump(contract))


@pytest.fixture
def chain(workplace: Path) -> Path:
    """Three steps in a row; each copies what the one before wrote and adds the first letter of a word."""
    root = workplace / "small"
    write_copier(root / "parts", "copy", data={"type": "path"}, word={})
    (root / "start.txt").write_text("start")
    of = "${steps.%s.outputs.out}"
    write_pipeline(
        root,
        {
            "one": {"uses": "parts/copy", "with": {"data": "start.txt", "word": "${words.one}"}},
            "two": {"uses": "parts/copy", "with": {"data": of % "one", "word": "${words.two}"}},
            "three": {"uses": "parts/copy", "with": {"data": of % "two", "word": "z"}},
        },
        {"words": {"one": "a", "two": "b"}},
    )
    return root


def states(call: Call, *arguments: str | Path, **more: Any) -> dict[str, str]:
    """Runs and returns the state of each step."""
    result = call(*RUN, *arguments, "--json", **more)
    assert result.returncode == 0, result.stdout + result.stderr
    return {step["name"]: step["state"] for step in json.loads(result.stdout)["steps"]}


ALL_DONE = dict.fromkeys(("one", "two", "three"), "done")
ALL_REUSED = dict.fromkeys(("one", "two", "three"), "reused")


def test_nothing_to_do(chain: Path, call: Call) -> None:
    """A second run says that all is current and which run has it, makes no run, starts no process and
    imports nothing heavy; the third, which need not even read the files, neither.
    """
    assert states(call, chain) == ALL_DONE
    watch = (
        "import atexit, sys\nstarted = []\n"
        "sys.addaudithook(lambda name, _: name in ('subprocess.Popen', 'os.fork', 'os.posix_spawn')"
        " and started.append(name))\n"
        "heavy = {'mlflow', 'pandas', 'sklearn', 'numpy'}\n"
        "atexit.register(lambda: print('started', started, 'imported', heavy & set(sys.modules),"
        " 'read', 'waypost.contracts.pipeline' in sys.modules))\n"
        "import waypost.cli\nwaypost.cli.main()\n"
    )
    texts = [call(sys.executable, "-c", watch, "run", "--env", "local", chain).stdout for _ in range(3)]
    assert len([run for run in runs() if "waypost.pipeline" in run.data.tags]) == 1
    parent = next(run.info.run_id for run in runs() if "waypost.pipeline" in run.data.tags)
    for text in texts:
        assert text.startswith(f"small is current: 3 steps, nothing to do, run {parent}\n")
        assert "started [] imported set()" in text
    assert texts[2].endswith("read False\n"), "the shortcut answers without looking at the pipeline"


def test_only_what_changed(chain: Path, call: Call) -> None:
    """Another parameter runs its step and what depends on it; a step whose result stays the same
    does not make others run.
    """
    states(call, chain)
    assert states(call, chain, "words.two=c") == {"one": "reused", "two": "done", "three": "done"}
    same = states(call, chain, "words.one=also a")
    assert same == {"one": "done", "two": "reused", "three": "reused"}
    assert states(call, chain) == ALL_REUSED
    assert len(by_step("three")) == 2
    parent = next(run for run in runs() if "waypost.pipeline" in run.data.tags)
    assert parent.data.tags["waypost.step.three"] in {run.info.run_id for run in by_step("three")}


def test_code_and_content_count(chain: Path, call: Call) -> None:
    """Changed code, and an input file with other content, are seen; a touched file is not a change."""
    states(call, chain)
    (chain / "start.txt").touch()
    assert states(call, chain) == ALL_REUSED
    (chain / "start.txt").write_text("other")
    assert states(call, chain) == ALL_DONE
    code = chain / "parts" / "copy" / "run.py"
    code.write_text(code.read_text() + "# changed\n")
    assert states(call, chain)["one"] == "done"
    (chain / "start.txt").write_text("start")
    code.write_text(code.read_text().removesuffix("# changed\n"))
    assert states(call, chain) == ALL_REUSED


def test_forced_and_never_cached(chain: Path, call: Call) -> None:
    """--no-cache executes all, --force these, `cache: false` that step every time; others stay."""
    states(call, chain)
    assert states(call, chain, "--no-cache") == ALL_DONE
    assert states(call, chain, "--force", "two") == {**ALL_REUSED, "two": "done"}
    assert call(*RUN, chain, "--force", "tow").returncode == 1
    file = chain / "pipeline.yaml"
    content = yaml.safe_load(file.read_text())
    content["steps"]["one"]["cache"] = False
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    for _ in range(2):
        assert states(call, chain) == {**ALL_REUSED, "one": "done"}


def test_declared_variables_count(chain: Path, call: Call) -> None:
    """A variable that the component declares is part of the key, as a digest; any other is not."""
    project = chain / "parts" / "copy" / "MLproject"
    contract = yaml.safe_load(project.read_text())
    contract["entry_points"]["main"]["variables"] = ["LANGUAGE_OF_DATA"]
    project.write_text(yaml.safe_dump(contract))
    states(call, chain, env={"LANGUAGE_OF_DATA": "hunter2"})
    assert states(call, chain, env={"LANGUAGE_OF_DATA": "hunter2"}) == ALL_REUSED
    assert states(call, chain, env={"LANGUAGE_OF_DATA": "hunter2", "OTHER": "1"}) == ALL_REUSED
    assert states(call, chain, env={"LANGUAGE_OF_DATA": "other"})["one"] == "done"
    explained = call(*RUN, chain, "--explain", "--dry-run")
    assert "one: the variable LANGUAGE_OF_DATA changed" in explained.stdout
    cache = Path(os.environ["WAYPOST_HOME"])
    assert not any(b"hunter2" in path.read_bytes() for path in cache.rglob("*") if path.is_file())


def test_explain(chain: Path, call: Call) -> None:
    """--explain says of each step why it runs or not, down to the value that changed."""
    first = call(*RUN, chain, "--explain")
    assert "one    started: it has not run on this tracking server yet" in first.stdout
    plan = call(*RUN, chain, "--explain", "--dry-run", "words.two=c")
    assert plan.stdout.splitlines() == [
        "current  one: unchanged",
        "runs     two: word: b → c",
        "may run  three: it depends on two",
    ]
    assert len(by_step("one")) == 1
    call(*RUN, chain, "words.two=c")
    assert {run.data.tags["waypost.because"] for run in by_step("two")} == {
        "it has not run on this tracking server yet",
        "word: b → c",
    }
    (chain / "start.txt").write_text("other")
    assert "one: input data changed" in call(*RUN, chain, "--explain", "--dry-run").stdout
    code = chain / "parts" / "copy" / "run.py"
    code.write_text(code.read_text() + "# changed\n")
    assert "the code of copy changed:" in call(*RUN, chain, "--explain", "--dry-run").stdout


def test_difference_of_a_mapping() -> None:
    """Of a mapping that became a file, the values that changed are named, not the whole file."""
    same = {"trees": {}, "entry_point": "x", "environment": "e", "platform": "p", "variables": {}}
    old = {**same, "arguments": {"model": "forest:\n  depth: 8\n  trees: 100\n", "gone": "1"}}
    new = {**same, "arguments": {"model": "forest:\n  depth: 9\n  trees: 100\n"}, "environment": "f"}
    assert (
        difference(old, new) == "model.forest.depth: 8 → 9; parameter gone is gone; the environment changed"
    )


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_outputs_are_verified(chain: Path, call: Call, damage: str) -> None:
    """An output that was changed or removed is not taken over: its step runs again and says why."""
    states(call, chain)
    states(call, chain)
    output = Path(by_step("two")[0].info.artifact_uri.removeprefix("file://"), "out.txt")
    if damage == "changed":
        size_and_time = output.stat()
        output.write_text("tartab"[: size_and_time.st_size])
        os.utime(output, ns=(size_and_time.st_atime_ns, size_and_time.st_mtime_ns))
    else:
        output.unlink()
    plan = call(*RUN, chain, "--explain", "--dry-run").stdout
    assert "two: an output of run" in plan
    assert states(call, chain) == {**ALL_REUSED, "two": "done"}
    assert states(call, chain) == ALL_REUSED


def test_another_machine_takes_over(chain: Path, call: Call, tmp_path: Path) -> None:
    """With another cache but the same tracking server, nothing is computed twice."""
    states(call, chain)
    assert states(call, chain, env={"WAYPOST_HOME": str(tmp_path / "cache2")}) == ALL_REUSED
    assert len(by_step("one")) == 1
    assert states(call, chain, env={"WAYPOST_HOME": str(tmp_path / "cache2")}) == ALL_REUSED


def test_runs_that_are_gone_do_not_count(chain: Path, call: Call) -> None:
    """A run deleted in MLflow, and one of a tracking store that was removed, are computed again."""
    states(call, chain)
    states(call, chain)
    client().delete_run(by_step("two")[0].info.run_id)
    assert states(call, chain) == {**ALL_REUSED, "two": "done"}
    Path("mlflow.db").unlink()
    assert states(call, chain) == ALL_DONE


def test_shortcut_sees_what_decides(chain: Path, call: Call, workplace: Path) -> None:
    """Parameter files, variables that parameters name, code, the work tree's folder: any change is seen."""
    with (chain / "pipeline.yaml").open("a") as file:
        file.write("variables: [WORD]\n")
    (chain / "params.yaml").write_text("words: {one: '${oc.env:WORD,a}', two: b}\n")
    more = workplace / "more.yaml"
    more.write_text("words: {two: b}\n")
    command: list[str | Path] = [chain, "--params", more]
    for _ in range(3):
        states(call, *command)
    assert states(call, *command, env={"WORD": "x"}) == ALL_DONE
    assert states(call, *command) == ALL_REUSED
    more.write_text("words: {two: c}\n")
    assert states(call, *command) == {"one": "reused", "two": "done", "three": "done"}
    (chain / "params.yaml").write_text("words: {one: y, two: b}\n")
    assert states(call, *command) == ALL_DONE
    moved = workplace / "moved"
    shutil.move(chain, moved)
    assert call(*RUN, chain).returncode == 2
    assert states(call, moved, "--params", more) == ALL_REUSED


def test_a_run_of_what_was_not_committed(chain: Path, call: Call) -> None:
    """It is the answer, and says so, until its files are committed: then another run takes its steps over,
    and is the answer from then on.
    """
    repository = Repository(chain)
    repository.git("init", "-q", ".")
    repository.commit("one")
    (chain / "params.yaml").write_text("words: {one: a, two: c}\n")

    def asked() -> tuple[str, bool, list[str]]:
        result = call(*RUN, chain, "--json")
        assert result.returncode == 0, result.stderr
        found = json.loads(result.stdout)
        return found["run_id"], found["current"], found["dirty"]

    dirty, _, files = asked()
    assert files == ["params.yaml"]
    for _ in range(2):  # the second answer is the shortcut's
        assert asked() == (dirty, True, ["params.yaml"])
    repository.commit("two")
    clean, is_current, files = asked()
    assert (clean != dirty, is_current, files) == (True, False, [])
    assert "waypost.dirty" not in client().get_run(clean).data.tags
    assert asked() == (clean, True, [])


@pytest.mark.parametrize("name", ["index.db", "memo.db", "current.db"])
def test_damaged_index_begins_anew(chain: Path, call: Call, name: str) -> None:
    """A damaged file of the cache costs time, never an error."""
    states(call, chain)
    states(call, chain)
    (Path(os.environ["WAYPOST_HOME"]) / name).write_bytes(b"no database" * 1000)
    assert states(call, chain) == ALL_REUSED
    assert states(call, chain, "words.one=q") == ALL_DONE


class Server(http.server.BaseHTTPRequestHandler):
    """A server with one file; its ETag and content are changed by the tests."""

    etag = '"1"'
    asked: list[str] = []

    def do_HEAD(self) -> None:
        self.asked.append(self.headers.get("Authorization", ""))
        self.send_response(200)
        if self.etag:
            self.send_header("ETag", self.etag)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    Server.etag, Server.asked = '"1"', []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/table.csv"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def download(workplace: Path) -> Path:
    root = workplace / "small"
    parameters = {"data": {"type": "string", "format": "uri"}, "sha256": {"default": ""}}
    write_copier(root / "parts", "load", **parameters)
    steps = {"one": {"uses": "parts/load", "with": {"data": "${url}", "sha256": "${sha}"}}}
    write_pipeline(root, steps, {"url": "", "sha": ""})
    return root


def test_url_is_known_by_its_server(download: Path, call: Call, url: str) -> None:
    """Without a sha256 a URL is keyed by what its server says: the same ETag is the same content, no
    ETag never is; with a sha256 no server is asked; offline, what it said last counts.
    """
    with_url: list[str | Path] = [download, f"url={url}"]
    assert states(call, *with_url) == {"one": "done"}
    assert states(call, *with_url) == {"one": "reused"}
    Server.etag = '"2"'
    assert states(call, *with_url) == {"one": "done"}
    asked = len(Server.asked)
    assert states(call, *with_url, "--offline") == {"one": "reused"}
    assert len(Server.asked) == asked
    Server.etag = ""
    for _ in range(2):
        assert states(call, *with_url) == {"one": "done"}
    explained = call(*RUN, *with_url, "--explain", "--dry-run").stdout
    assert "the content of data is unknown without downloading it: set its sha256" in explained
    asked = len(Server.asked)
    pinned = [*with_url, f"sha={hashlib.sha256(b'x').hexdigest()}"]
    assert states(call, *pinned) == {"one": "done"}
    assert states(call, *pinned) == {"one": "reused"}
    assert len(Server.asked) == asked


def test_credentials_of_a_url_are_used_and_not_kept(download: Path, call: Call, url: str) -> None:
    """User and password in a URL reach its server, and no file of the cache nor an explanation."""
    secret = url.replace("http://", "http://me:hunter2@")
    assert states(call, download, f"url={secret}") == {"one": "done"}
    assert states(call, download, f"url={secret}") == {"one": "reused"}
    assert set(Server.asked) == {"Basic bWU6aHVudGVyMg=="}
    explained = call(*RUN, download, f"url={secret}2", "--explain", "--dry-run")
    kept = [path.read_bytes() for path in Path(os.environ["WAYPOST_HOME"]).rglob("*") if path.is_file()]
    assert not any(b"hunter2" in content for content in [*kept, explained.stdout.encode()])


@pytest.mark.parametrize("broken", ["http://[::1", "http://127.0.0.1:9/x", "http://host:port/x"])
def test_urls_that_do_not_answer(broken: str) -> None:
    """A URL that cannot be asked is one whose content is not known, no stack trace."""
    assert validator(broken) == ""


def test_tracking_servers_are_kept_apart(tmp_path: Path) -> None:
    """The index of one tracking server knows nothing of another's runs; credentials are not part of it."""
    step = FinishedStep("run", {"out": "digest"})
    Index(tmp_path, "https://me:hunter2@one").add_step("key", "pipeline", "step", step)
    assert Index(tmp_path, "https://you:other@one").step("key") == step
    assert Index(tmp_path, "https://me:hunter2@two").step("key") is None
    assert b"hunter2" not in (tmp_path / "index.db").read_bytes()


def test_memo_is_not_fooled(tmp_path: Path) -> None:
    """A file of the same size with its old time put back is still another file; one behind a link too."""
    memo = Memo(tmp_path / "home")
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("one")
    link.symlink_to(file)
    os.utime(file, (1, 1))
    before = [memo.digest(file), memo.digest(link)]
    assert before == [hashlib.sha256(b"one").hexdigest()] * 2
    file.write_text("two")
    os.utime(file, (1, 1))
    assert [memo.digest(file), memo.digest(link)] == [hashlib.sha256(b"two").hexdigest()] * 2


def test_memo_of_trees_follows_git(workplace: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git is asked again when a file, or what git ignores, changes; else it is not asked at all."""
    root = workplace / "repository"
    root.mkdir()
    subprocess.run(["git", "init", "-q", root], check=True)
    write_component(root, "part", "print(1)\n")
    (root / "part" / "notes.log").write_text("x")
    memo = Memo(workplace / "home")
    with_notes = memo.trees(root, ["part"])
    for path in root.rglob("*"):
        if ".git" not in path.parts:
            os.utime(path, (1, 1))
    (root / ".gitignore").write_text("*.log\n")
    without = memo.trees(root, ["part"])
    assert without != with_notes
    time.sleep(0.1)
    assert memo.trees(root, ["part"]) == without
    monkeypatch.setattr("waypost.sources.snapshots.trees_of", lambda *_: pytest.fail("git was asked"))
    assert memo.trees(root, ["part"]) == without
