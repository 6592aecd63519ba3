"""Repositories of strangers that are one component: an MLproject at the top, in any spelling, no release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.pipelines import write_component
from tests.repositories import Repository, make_repository
from tests.test_monorepos import Run, pins_of, run

__all__ = ["run"]  # a fixture


def stranger(place: Path, file: str = "MLproject") -> Repository:
    """A repository as most public MLflow projects are: a contract at its top, and no tag."""
    write_component(place.parent, place.name, "print('hello')", text={"type": "str", "default": "a"})
    repository = Repository(place)
    repository.git("init", "--quiet", ".")
    repository.git("config", "uploadpack.allowFilter", "true")
    contract = place / "MLproject"
    contract.write_text(contract.read_text().replace(f"name: {place.name}", "name: Any Name"))
    contract.rename(place / file)
    (place / "data").mkdir()
    (place / "data" / "table.csv").write_text("a\n1\n")
    repository.commit("begin")
    return repository


@pytest.mark.parametrize("file", ["MLproject", "MLProject", "mlproject"])
def test_a_repository_that_is_a_component(run: Run, tmp_path: Path, file: str) -> None:
    """Without tags and in any spelling, as MLflow takes it: pinned by its commit, it is a component with the
    name of its repository, whose content is all of the repository; it verifies and plans from a cold cache.
    """
    demo = stranger(tmp_path / "demo", file)
    url, commit = f"file://{demo.path}", demo.git("rev-parse", "HEAD")
    told = run("init", "pipeline", "here", "--from", url, code=1)
    assert f"a commit is a version, too: {commit}" in told
    run("init", "pipeline", "here", "--from", f"{url}@{commit[:10]}")
    assert yaml.safe_load(Path("here/pipeline.yaml").read_text())["steps"] == {"demo": {"uses": "demo/demo"}}
    run("lock", "here")
    [pin] = pins_of(Path("here")).values()
    assert (pin["commit"], pin["tree"]) == (commit, demo.git("rev-parse", "HEAD^{tree}"))
    assert "as locked" in run("verify", "here")
    plan = json.loads(run("run", "here", "--dry-run", "--json"))  # nothing else on stdout
    assert [step["uses"] for step in plan["steps"]] == ["demo/demo"]
    [tree] = (tmp_path / "cache" / "trees").glob("*/demo")
    assert sorted(path.name for path in tree.iterdir()) == sorted([file, "data", "run.py"])
    told = run("init", "pipeline", "other", "--from", f"{url}@{commit}", "--components", "dmeo", code=2)
    assert "did you mean 'demo'?" in told


def test_a_catalogue_of_a_repository_that_is_a_component(run: Run, tmp_path: Path) -> None:
    """It is found and shown as any, with the address of the repository, in each release, and by its commit
    where it has none.
    """
    demo = stranger(tmp_path / "demo", "MLProject")
    url = f"file://{demo.path}"
    assert "unreleased" in run("components", "info", "demo", "--in", url)
    demo.release("1.0.0")
    assert "1.0.0" in run("components", "search", "demo", "--in", url)
    run("components", "site", url, "-o", "site")
    [page] = Path("site").glob("*/demo.html")
    assert f"mlflow run {url} -v v1.0.0" in page.read_text()
    assert "uses: demo/demo" in page.read_text()


def test_components_below_one_at_the_top(run: Run, tmp_path: Path) -> None:
    """What lies in folders is named by these, also where one has the repository's name; a pipeline is no
    component, and what is none says so.
    """
    demo = stranger(tmp_path / "demo")
    write_component(demo.path, "part", "print(1)")
    (demo.path / "part" / "mlproject").mkdir()
    (demo.path / "part" / "mlproject" / "x").touch()
    write_component(demo.path / "mlproject", "below", "print(1)")
    commit = demo.commit("part")
    url = f"file://{demo.path}"
    told = run("init", "pipeline", "here", "--from", f"{url}@{commit}", code=2)
    assert "--components demo,part" in told
    write_component(demo.path, "demo", "print(1)")
    commit = demo.commit("demo")
    run("init", "pipeline", "here", "--from", f"{url}@{commit}", "--components", "demo")
    run("lock", "here")
    assert pins_of(Path("here"))["demo/demo"]["tree"] == demo.git("rev-parse", "HEAD:demo")
    (demo.path / "pipeline.yaml").write_text("name: p\n")
    demo.git("rm", "-rq", "demo", "part")
    commit = demo.commit("pipeline")
    told = run("init", "pipeline", "other", "--from", f"{url}@{commit}", code=2)
    assert "no components there" in told
    assert "folder with an MLproject" in told


def test_a_component_at_the_top_shares_nothing(run: Run, tmp_path: Path) -> None:
    """What lies in its repository is no folder beside it, under stock MLflow either."""
    demo = stranger(tmp_path / "demo")
    contract = demo.path / "MLproject"
    contract.write_text(contract.read_text() + "shared: [data]\n")
    commit = demo.commit("shared")
    told = run("init", "pipeline", "here", "--from", f"file://{demo.path}@{commit}", code=1)
    assert "no folder 'data' beside it" in told


def test_a_contract_in_another_spelling_in_a_library(run: Run, tmp_path: Path) -> None:
    """A folder with an MLProject is a component to check, list and try as any."""
    lib = make_repository(tmp_path / "lib")
    write_component(lib.path, "part", "print(1)")
    (lib.path / "part" / "MLproject").rename(lib.path / "part" / "MLProject")
    found = json.loads(run("check", lib.path, "--json", code=1))
    assert found["components"] == ["part"]
    lib.release("1.0.0")
    assert "part" in run("components", "search", "part", "--in", lib.path)
