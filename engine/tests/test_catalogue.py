"""Libraries are read from real repositories, and become a catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.catalogue import make_library as make_large
from click.testing import CliRunner, Result

from tests.repositories import Repository, edit_contract, make_library, make_pipeline, parameters_of
from waypost.catalogue.facts import Entry, Library, slugs
from waypost.catalogue.opening import open_library
from waypost.catalogue.reading import read_library
from waypost.catalogue.writing import write_site
from waypost.cli import cli
from waypost.contracts.lock import FILE as LOCK
from waypost.errors import UsageError
from waypost.sources.store import Store

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)


@pytest.fixture
def core(tmp_path: Path) -> Repository:
    """A library with three releases: a parameter goes, then nothing but a README comes; 1.2.0 is yanked."""
    core = make_library(tmp_path / "core")
    edit_contract(core.path, "clean", lambda c: parameters_of(c).pop("text"))
    edit_contract(core.path, "clean", lambda c: c.update(deprecated={"since": "1.1.0", "use": "core/load"}))
    (core.path / "CHANGELOG.md").write_text("## [1.1.0] - 2026-01-02\n### Removed\n- `text` of `clean`\n")
    core.release("1.1.0")
    (core.path / "load" / "README.md").write_text("# load\nIt loads.\n")
    (core.path / "releases").mkdir()
    yank = {"version": "1.2.0", "reason": "wrong numbers", "date": "2026-01-03"}
    (core.path / "releases" / "1.2.0.yanked.json").write_text(json.dumps(yank))
    core.release("1.2.0")
    return core


def library_at(location: str | Path, home: Path) -> Library:
    store = Store(home, lambda _: None)
    opened = open_library(str(location), store)
    return read_library(opened, slugs([opened.name])[0], store.memo)


def entry(library: Library, name: str) -> Entry:
    return next(entry for entry in library.entries if entry.name == name)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_every_release_is_read(core: Repository, tmp_path: Path, form: str) -> None:
    """From a folder and from a URL: versions, what each changes, yanks, what the changelog says; the newest
    release that was not yanked is the one to use.
    """
    found = library_at(form.format(core.path), tmp_path / "cache")
    assert [(r.version, r.yanked) for r in found.releases] == [
        ("1.2.0", "wrong numbers"),
        ("1.1.0", ""),
        ("1.0.0", ""),
    ]
    clean = entry(found, "clean")
    assert clean.newest.version == "1.1.0"
    assert [v.state for v in clean.versions] == ["same", "interface", "new"]
    assert [str(c) for c in clean.versions[1].changes] == ["breaking: parameter 'text' was removed"]
    assert clean.versions[1].notes == ("- `text` of `clean`",)
    assert str(clean.deprecated) == "deprecated since 1.1.0: use core/load instead"
    assert [v.state for v in entry(found, "load").versions] == ["content", "same", "new"]
    assert found.releases[0].date == "2026-01-02"


def test_what_cannot_be_read_is_said(core: Repository, tmp_path: Path) -> None:
    """A contract that is no YAML is a component with a problem; the others are there."""
    (core.path / "load" / "MLproject").write_text("a: [")
    core.release("1.3.0")
    found = library_at(core.path, tmp_path / "cache")
    assert entry(found, "load").contract is None
    assert entry(found, "load").versions[0].problem.startswith("MLproject:")
    assert entry(found, "clean").contract is not None


def test_a_library_without_a_release_is_shown_as_it_is(tmp_path: Path) -> None:
    """Nothing released: the components are those of the commit that is checked out."""
    core = make_library(tmp_path / "core")
    core.git("tag", "--delete", "v1.0.0")
    found = library_at(core.path, tmp_path / "cache")
    assert not found.releases
    assert [e.newest.version for e in found.entries] == ["unreleased", "unreleased"]


def test_packages_are_looked_at_through_links(tmp_path: Path) -> None:
    """Hashes are looked for in the file that python_env.yaml names, also where that is a link to another;
    a contract is read once, ever.
    """
    large = make_large(tmp_path / "large.git", components=3, releases=2)
    first = library_at(f"file://{large}", tmp_path / "cache")
    assert [e.is_pinned for e in first.entries] == [True, True, True]
    assert [v.state for v in first.entries[0].versions] == ["interface", "new"]
    assert library_at(f"file://{large}", tmp_path / "cache") == first


def test_a_site_from_the_command_line(core: Repository, run: Run, tmp_path: Path) -> None:
    """Two libraries of one name, and who uses what; the same again changes nothing, and what is gone goes."""
    make_pipeline(tmp_path / "team" / "grades", f"file://{core.path}", "==1.0.0")
    assert run("lock", tmp_path / "team" / "grades").exit_code == 0
    assert (tmp_path / "team" / "grades" / LOCK).is_file()
    other = make_library(tmp_path / "other" / "core", "split")
    arguments = (core.path, f"file://{other.path}", "--pipelines", "team", "-o", "out")
    made = run("components", "site", *arguments)
    assert made.exit_code == 0, made.output
    assert "3 components" in made.output
    document = json.loads(Path("out/index.json").read_text())
    assert [(c["library"], c["name"], c["used_by"]) for c in document["components"]] == [
        ("core", "clean", ["team/grades"]),
        ("core", "load", ["team/grades"]),
        ("core", "split", []),
    ]
    assert Path("out/core-2/split.html").is_file()
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    assert run("components", "site", *arguments).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")} == before
    assert run("components", "site", core.path, "-o", "out").exit_code == 0
    assert not Path("out/core-2").exists()


def test_search_from_the_command_line(core: Repository, run: Run) -> None:
    """The best first, with what is deprecated; exit code 1 where there is nothing."""
    found = run("components", "search", "clean", "--in", core.path)
    assert "clean" in found.output
    assert "deprecated since 1.1.0" in found.output
    assert found.return_value == 0
    [only] = json.loads(run("components", "search", "load", "--in", core.path, "--json").stdout)
    assert (only["name"], only["version"]) == ("load", "1.1.0")
    assert run("components", "search", "nothing", "--in", core.path).return_value == 1


def test_only_what_a_catalogue_wrote_is_replaced(tmp_path: Path) -> None:
    """A folder with files of somebody else is refused, and so is a list of files that leads out of it."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("mine")
    with pytest.raises(UsageError, match=r"but not the catalogue\.json of a catalogue"):
        write_site(folder, {"index.html": "x"})
    (folder / "catalogue.json").write_text('{"files": ["../precious"]}')
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(UsageError, match="is no file of a catalogue"):
        write_site(folder, {"index.html": "x"})
    assert (folder / "index.html").read_text() == "mine"
    assert (tmp_path / "precious").is_file()


def test_what_is_no_library_is_told(tmp_path: Path) -> None:
    """Neither a URL nor a folder in a repository."""
    with pytest.raises(UsageError, match="no folder in a git repository either"):
        open_library("nowhere", Store(tmp_path / "cache", lambda _: None))


def test_all_that_is_known_of_a_component(core: Repository, run: Run, tmp_path: Path) -> None:
    """Of a pipeline's component, of a library's: contract, versions with what each changed, deprecation, who
    pins it; the JSON has what index.json of a catalogue has. Offline it is the contract of the pin.
    """
    grades = tmp_path / "team" / "grades"
    make_pipeline(grades, f"file://{core.path}", "==1.0.0")
    assert run("lock", grades).exit_code == 0
    told = " ".join(run("components", "info", "clean", "-p", grades, "--used-by", "team").output.split())
    for words in (
        "core/clean 1.0.0",
        "text string = hello",
        "deprecated since 1.1.0: use core/load instead",
        "1.2.0 2026-01-02 same content yanked: wrong numbers",
        "1.0.0 2026-01-02 new pinned here",
        "1.1.0: breaking: parameter 'text' was removed",
        "1.1.0: `text` of `clean`",
        "team/grades pinned 1.0.0 clean",
    ):
        assert words in told, words
    offline = run("components", "info", "clean", "-p", grades, "--offline").output
    assert "core/clean" in offline
    assert "versions" not in offline
    arguments = ("components", "info", "load", "--in", core.path, "--json")
    [known] = json.loads(run(*arguments, "--used-by", "team").stdout)
    assert run("components", "site", core.path, "--pipelines", "team", "-o", "out").exit_code == 0
    components = json.loads(Path("out/index.json").read_text())["components"]
    [listed] = [each for each in components if each["name"] == "load"]
    assert known["listed"] == {**listed, "page": ""}
    wrong = run("components", "info", "laod", "--in", core.path)
    assert isinstance(wrong.exception, UsageError)
    assert "did you mean 'load'?" in wrong.exception.hint
