"""`waypost check` on folders: our library, a broken one, what is no library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from packaging.version import Version

from tests.conftest import LIBRARY, Call
from tests.pipelines import write_component
from tests.repositories import edit_contract, make_library, make_repository
from waypost.catalogue.opening import open_library
from waypost.catalogue.reading import read_library
from waypost.errors import Finding, UsageError
from waypost.interfaces.record import CheckRecord, parse_record, record_text
from waypost.release.check_record import released_library, write_check_record
from waypost.release.conformance import check_library
from waypost.release.kinds import read_product
from waypost.release.library import Library
from waypost.release.pipeline_conformance import check_pipeline, pipeline_at
from waypost.scaffold.library import component, library, readme_values
from waypost.scaffold.writing import Link, write
from waypost.sources.git import git
from waypost.sources.snapshots import trees_of
from waypost.sources.store import Store


def test_our_library_conforms() -> None:
    """The library of this repository has nothing to mend."""
    found = check_library(LIBRARY)
    assert len(found.components) == 11
    assert found.findings == ()


def test_a_broken_library(workplace: Path, call: Call) -> None:
    """Everything is told at once, in words and for machines, with exit code 1; a contract that cannot be read
    keeps no other component from being looked at.
    """
    ignored = shutil.ignore_patterns("__pycache__", "LICENSE", "scoring", ".*")
    shutil.copytree(LIBRARY, workplace / "lib", symlinks=True, ignore=ignored)
    lib = workplace / "lib"
    (lib / "download" / "MLproject").write_text("name: [\n")
    (lib / "preprocess" / "requirements.txt").unlink()
    (lib / "preprocess" / "requirements.txt").symlink_to("../../elsewhere.txt")
    (workplace / "elsewhere.txt").write_text("a==1 --hash=sha256:aa\n")
    (lib / "segregate" / "split.py").write_text("import scoring\n")
    for file in (lib / "check_data").glob("test_*.py"):
        file.unlink()
    result = call("python", "-m", "waypost", "check", lib, "--json")
    assert result.returncode == 1, result.stderr
    document = json.loads(result.stdout)
    found = {(finding["category"], finding["place"]) for finding in document["findings"]}
    assert len(document["components"]) == 11
    assert found == {
        ("licence", "LICENSE"),
        ("contract", "download/MLproject:2"),
        ("environment", "preprocess/python_env.yaml"),
        ("shared", "evaluate/MLproject: shared"),
        ("shared", "predict/MLproject: shared"),
        ("shared", "train_gradient_boosting/MLproject: shared"),
        ("shared", "train_lightgbm/MLproject: shared"),
        ("shared", "train_linear/MLproject: shared"),
        ("shared", "train_random_forest/MLproject: shared"),
        ("shared", "train_xgboost/MLproject: shared"),
        ("tests", "check_data"),
    }
    told = call("python", "-m", "waypost", "check", lib)
    assert told.returncode == 1
    assert "11 findings" in told.stdout
    (lib / "scoring").mkdir()
    assert "imports" in {f.category for f in check_library(lib).findings if f.place == "segregate/MLproject"}


@pytest.mark.parametrize("text", ["", "[bumpversion", "[bumpversion]\ncurrent_version = abc\n"])
def test_a_setup_cfg_without_a_version(workplace: Path, text: str) -> None:
    """What keeps the library from its release is told by the check, not at the release."""
    lib = make_library(workplace / "lib")
    (lib.path / "setup.cfg").write_text(text)
    [finding] = (each for each in check_library(lib.path).findings if each.place == "setup.cfg")
    assert finding.category == "files"
    assert "current_version = 0.1.0" in finding.hint


def test_what_no_lock_takes(workplace: Path) -> None:
    """A submodule, a repository inside, a pointer of Git LFS and a link that leaves the component are told
    before a release that nobody could lock; a component that is a link is none.
    """
    lib = make_library(workplace / "lib")
    sub = make_repository(lib.path / "kit" / "sub")
    sub.commit("x")
    inner = make_repository(lib.path / "clean" / "inner")
    (inner.path / "x").touch()
    inner.commit("x")
    lib.git("add", "clean/inner")
    (lib.path / "load" / "data.csv").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    (lib.path / "load" / "words.py").symlink_to("../kit/words.py")
    (lib.path / "load" / "out.py").symlink_to("../clean/run.py")
    (lib.path / "linked").symlink_to("load")
    found = check_library(lib.path)
    assert found.components == ("clean", "load")
    assert {f.place: f.problem.partition(":")[0] for f in found.findings if f.category == "delivered"} == {
        "kit/sub": "is a submodule",
        "clean/inner": "is a submodule",
        "load/data.csv": "is a Git LFS pointer, not the file; keep data out of components",
        "load/out.py": "is a link that may leave its folder, to '../clean/run.py'",
    }


@pytest.mark.parametrize(
    ("file", "place", "rule", "hint"),
    [
        ("clean/MLproject", "clean/MLproject", "contract", "save it as UTF-8"),
        ("clean/README.md", "clean/README.md", "contract", "save it as UTF-8"),
        ("environment/requirements.txt", "environment/requirements.txt", "contract", "save it as UTF-8"),
        ("componentkit/step.py", "componentkit", "kit", "move your own code to another folder"),
    ],
)
def test_a_file_in_another_encoding(workplace: Path, file: str, place: str, rule: str, hint: str) -> None:
    """UTF-16 and Latin-1, as editors on Windows save texts, are told of the one file, with the mend; all else
    is looked at. A mark at the beginning and line ends of Windows are no fault.
    """
    parts = library(f"a==1 --hash=sha256:{'a' * 64}\n", readme_values("lib"))
    write(workplace, {**parts, **component("clean")})
    for path in (each for each in workplace.rglob("*") if each.is_file() and not each.is_symlink()):
        path.write_bytes(
            b"\xef\xbb\xbf" * (path.name == "MLproject") + path.read_bytes().replace(b"\n", b"\r\n")
        )
    whole = {finding.place for finding in check_library(workplace).findings}
    text = (workplace / file).read_text(encoding="utf-8-sig")
    for encoded, byte in ((text.encode("utf-16"), "0xff"), (f"{text}# café".encode("latin-1"), "0xe9")):
        (workplace / file).write_bytes(encoded)
        found = check_library(workplace)
        assert found.components == ("clean", "load", "train")
        new = [each for each in found.findings if each.place not in whole]
        hints = {(each.place, each.category): each.hint for each in new}
        assert hints[place, rule].startswith(hint)
        assert all(byte in each.problem for each in new if each.hint == "save it as UTF-8")


@pytest.mark.journey
def test_components_are_tried(workplace: Path, call: Call) -> None:
    """With --run tests and examples are executed: a shell script runs under stock MLflow; a trainer that
    never worked, and tests that need another machine, are told with what they say. The folder stays as it is.
    """
    lib = workplace / "lib"
    files = {**component("count", "shell"), **component("train", "train")}
    write(lib, {name: text for name, text in files.items() if not isinstance(text, Link)})
    for name in ("count", "train"):  # in the environment at hand
        (lib / name / "python_env.yaml").unlink()
        edit_contract(lib, name, lambda c: (c.pop("python_env"), c.pop("shared")))
    example = {"data": "example.csv", "target": "kind"}
    edit_contract(lib, "train", lambda c: c["entry_points"]["main"].update(example=example))
    (lib / "train" / "example.csv").write_text("a,kind\n1,x\n")
    (lib / "train" / "run.py").write_text("import sys\nsys.exit('error: it never worked')\n")
    (lib / "train" / "test_run.py").write_text(
        "import socket\ndef test_it():\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
    )
    before = sorted(lib.rglob("*"))
    result = call("python", "-m", "waypost", "check", lib, "--run", "--json")
    assert result.returncode == 1, result.stderr
    findings = json.loads(result.stdout)["findings"]
    found = {f["category"]: f for f in findings if f["category"].startswith("run-")}
    assert {f["place"].partition("/")[0] for f in found.values()} == {"train"}, found
    assert found["run-example"]["problem"] == "it fails: it never worked"
    assert "no network in tests: 192.0.2.1" in found["run-tests"]["problem"]
    assert sorted(lib.rglob("*")) == before
    (lib / "setup.cfg").write_text("[bumpversion]\ncurrent_version = 0.1.0\n")
    git(lib, "init", "-q")
    refused = call("python", "-m", "waypost", "release", "--dry-run", "--run", "-C", lib)
    assert refused.returncode == 1
    assert "it fails: it never worked" in refused.stderr
    assert "2 problems found, nothing was released" in refused.stderr


def test_what_is_no_library(workplace: Path) -> None:
    """A folder without components is a usage error, which names what has some."""
    with pytest.raises(UsageError, match="no components here") as error:
        check_library(workplace)
    assert error.value.hint == "the folder of a library, or of a pipeline (pipeline.yaml)"
    (workplace / "MLproject").write_text("name: alone\n")
    with pytest.raises(UsageError) as error:
        check_library(workplace)
    assert "it is a component itself" in error.value.hint


def test_what_git_ignores_is_not_looked_at(workplace: Path) -> None:
    """Only what git would commit is a component: what was installed or built in its folder counts neither
    as a file that is there nor as code that imports.
    """
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    lib = workplace / "lib"
    shutil.copytree(LIBRARY, lib, symlinks=True, ignore=ignored)
    git(workplace, "init", "-q")
    (workplace / ".gitignore").write_text(".venv\n")
    installed = lib / "segregate" / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "scored.py").write_text("import scoring\n")
    for odd in (":x", "[ab]", ":(exclude)segregate"):  # as git calls its patterns
        (lib / odd).mkdir()
    assert check_library(lib).findings == ()
    (workplace / ".gitignore").write_text(".venv\ntest_run.py\n")
    assert {finding.category for finding in check_library(lib).findings} == {"tests"}


@pytest.mark.parametrize("kind", ["library", "pipeline"])
def test_secrets_in_any_file(workplace: Path, kind: str) -> None:
    """A key is found at the top and in any folder, unless git ignores the file; each is told once."""
    git(workplace, "init", "-q")
    write_component(workplace / "parts", "part", "print(1)")
    key = "AKIA" + "A1B2C3D4E5F6G7H8"
    for name in ("parts/notes.cfg", "parts/part/notes.cfg", "tools/deploy.sh", "README.md", "ignored.txt"):
        (workplace / name).parent.mkdir(exist_ok=True)
        (workplace / name).write_text(f"key = {key}\n")
    (workplace / ".gitignore").write_text("ignored.txt\n")
    if kind == "library":
        found = check_library(workplace / "parts")
        expected = ["notes.cfg:1", "part/notes.cfg:1"]
    else:
        text = "name: p\ncomponents: {own: {path: parts}}\nsteps: {a: {uses: own/part}}\n"
        (workplace / "pipeline.yaml").write_text(text)
        found = check_pipeline(pipeline_at(workplace, print))
        expected = ["README.md:1", "parts/notes.cfg:1", "parts/part/notes.cfg:1", "tools/deploy.sh:1"]
    assert sorted(each.place for each in found.findings if each.category == "secrets") == expected


def test_pipelines_in_a_library(workplace: Path) -> None:
    """A folder of a library with a pipeline.yaml, an example for its users, is none of its components: not
    looked at, not released, nor what makes a folder a library.
    """
    git(workplace, "init", "-q")
    contract = "entry_points: {main: {command: python run.py}}\n"
    for name in ("part", "example"):
        (workplace / name).mkdir()
        (workplace / name / "MLproject").write_text(contract)
    (workplace / "example" / "pipeline.yaml").write_text("name: example\n")
    for folder in (workplace, workplace / "example"):
        (folder / "setup.cfg").write_text("[bumpversion]\ncurrent_version = 1.0.0\n")
    assert check_library(workplace).components == ("part",)
    library = read_product(workplace)
    assert isinstance(library, Library)
    assert set(library.components) == {"part"}
    shutil.rmtree(workplace / "part")
    with pytest.raises(UsageError, match="nor components nor"):
        read_product(workplace)


def test_a_check_is_recorded_of_a_release(tmp_path: Path) -> None:
    """What was executed of a release, and what failed, becomes a record, which a catalogue believes of that
    content alone; another content, a second record, and a library without a release are refused.
    """
    lib = make_library(tmp_path / "lib")
    with pytest.raises(UsageError, match="no section"):
        released_library(lib.path)
    (lib.path / "setup.cfg").write_text("[bumpversion]\ncurrent_version = 1.1.0\n")
    with pytest.raises(UsageError, match="no release"):
        released_library(lib.path)
    (lib.path / "releases").mkdir()
    trees = trees_of(lib.path, ["load", "clean", "kit"])
    product = read_product(lib.path)
    record = product.record(Version("1.1.0"), "2026-01-02", "", trees)
    (lib.path / "releases" / "1.1.0.json").write_text(record_text(record))
    lib.release("1.1.0")
    library, released = released_library(lib.path)
    ran = {"load": {"run-tests", "run-example"}, "clean": {"run-example"}}
    failed = Finding("clean/MLproject: entry_points.main.example", "it fails", "", "run-example")
    file = write_check_record(library, released, ran, [failed])
    found = parse_record(CheckRecord, file.read_text(), file.name).components
    assert (found["load"].tests, found["load"].example) == ("passed", "passed")
    assert (found["clean"].tests, found["clean"].example) == ("none", "failed")
    assert found["load"].shared == {"kit": trees["kit"]}
    with pytest.raises(UsageError, match="already exists"):
        released_library(lib.path)
    lib.commit("record")
    store = Store(tmp_path / "cache", lambda _: None)
    known = read_library(open_library(str(lib.path), store), "lib", store.memo)
    assert [bool(entry.checked) for entry in known.entries] == [True, True]
    (lib.path / "kit" / "words.py").write_text("WORD = 'two'\n")
    lib.commit("other")
    lib.git("tag", "-f", "-a", "-m", "moved", "v1.1.0")
    moved = read_library(open_library(str(lib.path), store), "lib", store.memo)
    assert [entry.checked for entry in moved.entries] == [None, None]
    file.unlink()
    with pytest.raises(UsageError, match=r"kit: not what release 1\.1\.0 has"):
        released_library(lib.path)
