# ruff: noqa: E501 (a case is a line)
"""Python packages: their interface read from their source, compared, released; the engine is one of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Call
from tests.packages import edit, make_package, write_package
from tests.repositories import Repository, make_repository, state_of
from waypost.errors import UsageError
from waypost.interfaces.package import PackageInterface, package_changes
from waypost.interfaces.semver import demanded
from waypost.release.check import semver
from waypost.release.kinds import read_product
from waypost.release.package import Package

WAYPOST = ("python", "-m", "waypost")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return make_package(tmp_path / "tally")


def interface_of(folder: Path) -> PackageInterface:
    product = read_product(folder)
    assert isinstance(product, Package)
    return product.interface


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> PackageInterface:
    """The interface of a package that nobody has changed."""
    return interface_of(make_package(tmp_path_factory.mktemp("before") / "tally").path)


def test_interface(package: Repository) -> None:
    """Verbs, documents, exit codes, entry points and public names, as the source has them."""
    found = interface_of(package.path).model_dump(exclude_defaults=True)
    count = found["commands"].pop("tally count")
    assert found["commands"] == {"tally": {}, "tally show": {}}
    assert count["arguments"] == ({"name": "PLACE", "type": "path", "required": True, "must": ("exist",)},)
    assert {option["names"]: option for option in count["options"]} == {
        ("--form", "-f"): {
            "names": ("--form", "-f"),
            "type": "text",
            "default": "csv",
            "choices": ("csv", "json"),
        },
        ("--least",): {
            "names": ("--least",),
            "type": "integer",
            "limits": {"minimum": 0, "maximum": 9},
            "variables": ("TALLY_LEAST",),
        },
        ("--json", "--no-json"): {"names": ("--json", "--no-json"), "type": "flag"},
        ("--name",): {"names": ("--name",), "type": "text", "multiple": True},
        ("--where",): {"names": ("--where",), "type": "text", "default": "(computed)"},
        ("--quick",): {"names": ("--quick",), "type": "flag"},
    }
    assert found["exit_codes"] == {"ok": 0, "wrong": 3}
    assert found["entry_points"] == {"console_scripts": ("tally",)}
    assert (found["python"], found["extras"]) == (">=3.11", ("fast",))
    assert found["reads"] == {
        "tally.yaml": {
            "": {"type": "object", "required": True},
            "name": {"type": "string", "required": True},
            "rows": {"type": "integer", "default": 10},
        },
        "old.json": {"": {"type": "object", "required": True}, "rows": {"type": "integer"}},
    }
    # A document has every key that it can have: what has a default is written, too.
    assert found["writes"]["tally count --json"]["note"] == {"type": "string", "required": True}
    assert found["api"] == {
        "tally.Counter": {"kind": "class", "signature": "(start: int = 0)"},
        "tally.Counter.add": {"kind": "function", "signature": "(number: int) -> None"},
        "tally.Counter.start": {"kind": "attribute"},
        "tally.count": {"kind": "function", "signature": "(rows: list[str], *, skip: int = 0) -> int"},
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "bump"),
    [
        ("src/tally/cli.py", "@cli.command()\ndef show", "def show", "major"),
        ("src/tally/cli.py", "@click.option('--quick', is_flag=True)\n", "", "major"),
        ("src/tally/cli.py", "'--quick', is_flag=True", "'--quick', required=True", "major"),
        ("src/tally/cli.py", "'--form', '-f'", "'--form'", "major"),
        ("src/tally/cli.py", "exit_code = 3", "exit_code = 4", "major"),
        ("src/tally/cli.py", "@click.option('--quick'", "@click.option('--more')\n@click.option('--quick'", "minor"),
        ("src/tally/cli.py", "default='csv'", "default='json'", "minor"),
        ("src/tally/cli.py", "def show(): ...", "def show(): ...\n@cli.command()\ndef more(): ...", "minor"),
        ("src/tally/cli.py", "Which form.", "The form of the file.", "patch"),
        ("src/tally/files.py", "    rows: int = 10\n", "", "major"),
        ("src/tally/files.py", "    rows: int = 10\n", "    rows: int = 10\n    more: int\n", "major"),
        ("src/tally/files.py", "    rows: int = 10\n", "    rows: int = 10\n    more: int = 1\n", "minor"),
        ("src/tally/files.py", "    note: str = ''\n", "", "major"),
        ("src/tally/files.py", "    note: str = ''\n", "    note: str = 'none'\n", "patch"),
        ("src/tally/core.py", "*, skip: int = 0", "*, skip: int", "major"),
        ("src/tally/core.py", "*, skip: int = 0", "*, skip: int = 0, more: int = 1", "minor"),
        ("src/tally/core.py", "def private(a)", "def private(a, b)", "patch"),
        ("src/tally/__init__.py", '["count", "Counter"]', '["count"]', "major"),
        ("pyproject.toml", 'tally = "tally.cli:cli"', 'other = "tally.cli:cli"', "major"),
        ("pyproject.toml", 'fast = ["numpy"]', 'fast = ["numpy", "orjson"]', "patch"),
        ("old.schema.json", '"rows"', '"lines"', "major"),
    ],
)  # fmt: skip
def test_bumps(
    before: PackageInterface, package: Repository, file: str, old: str, new: str, bump: str
) -> None:
    """What is gone or needed demands a major version, what is new or has another default a minor one."""
    edit(package.path, file, old, new)
    found = package_changes(before, interface_of(package.path))
    assert demanded(change for group in found.values() for change in group) == bump, found


def test_package_without_commands(tmp_path: Path) -> None:
    """Where nothing has to be imported, nothing is: the public names are read from the source."""
    repository = make_repository(tmp_path / "plain")
    (repository.path / "plain.py").write_text(
        "import not_there\nraise SystemExit\n\n\ndef public(a, b=1): ...\ndef _hidden(): ...\nLIMIT = 3\n"
    )
    (repository.path / "pyproject.toml").write_text('[project]\nname = "plain"\nversion = "1.0.0"\n')
    (repository.path / "setup.cfg").write_text("[bumpversion]\ncurrent_version = 1.0.0\n")
    assert interface_of(repository.path).model_dump(exclude_defaults=True) == {
        "api": {
            "plain.LIMIT": {"kind": "attribute"},
            "plain.public": {"kind": "function", "signature": "(a, b=1)"},
        }
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("src/tally/cli.py", "import enum", "import not_there", "No module named 'not_there'"),
        ("src/tally/cli.py", "import enum", "raise SystemExit('no')", "tally.cli:cli cannot be imported"),
        ("pyproject.toml", "tally.cli:cli", "tally.cli:cly", "no attribute 'cly'"),
        ("pyproject.toml", "tally.files:Sheet", "json:dumps", "not from the source"),
        ("pyproject.toml", "tally.files:Sheet", "tally.cli:cli", "has no JSON Schema"),
        ("pyproject.toml", "tally.files:Sheet", "tally.files", "tally.files"),
        ("pyproject.toml", "old.schema.json", "gone.schema.json", "gone.schema.json"),
        ("pyproject.toml", 'api = ["tally"]', 'api = ["tali"]', "tali cannot be read"),
        ("pyproject.toml", 'api = ["tally"]', 'apis = ["tally"]', "did you mean 'api'?"),
        ("pyproject.toml", "Wrong.exit_code", "Wrong", "is no number"),
    ],
)
def test_interfaces_that_cannot_be_read(
    package: Repository, call: Call, file: str, old: str, new: str, words: str
) -> None:
    """One line that names what cannot be read and why; never a stack trace."""
    edit(package.path, file, old, new)
    result = call(*WAYPOST, "release", "--dry-run", "-C", package.path)
    assert result.returncode in (1, 2)
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_release(package: Repository, call: Call) -> None:
    """Numbers everywhere, changelog, record with the interface, one commit, a tag with the prefix; the
    wheel was built from what is committed. A breaking change afterwards is not released as less.
    """
    before = state_of(package)
    rehearsed = call(*WAYPOST, "release", "--dry-run", "--json", "-C", package.path)
    assert rehearsed.returncode == 0, rehearsed.stderr
    told = json.loads(rehearsed.stdout)
    assert told["version"] == "1.0.0"
    result = call(*WAYPOST, "release", "--dry-run", "-C", package.path)
    assert all(each in result.stdout for each in (*told["notes"].splitlines(), *told["files"]))
    assert "its tag: tally-v1.0.0" in result.stdout
    assert state_of(package) == before
    result = call(*WAYPOST, "release", "-C", package.path)
    assert result.returncode == 0, result.stderr
    assert "building the wheel" in result.stdout
    assert package.git("rev-parse", "tally-v1.0.0^{commit}") == package.git("rev-parse", "HEAD")
    assert package.git("diff", "--name-only", "HEAD~").split() == told["files"]
    assert package.git("log", "-1", "--format=%s") == "Release 1.0.0"
    assert 'version = "1.0.0"' in (package.path / "pyproject.toml").read_text()
    assert '__version__ = "1.0.0"' in (package.path / "src/tally/__init__.py").read_text()
    record = json.loads((package.path / "releases" / "1.0.0.json").read_text())
    assert (record["kind"], record["name"]) == ("package", "tally-sheets")
    assert record["interface"] == interface_of(package.path).model_dump(mode="json", exclude_defaults=True)
    assert package.git("status", "--porcelain") == ""
    edit(package.path, "src/tally/cli.py", "@cli.command()\ndef show", "def show")
    edit(package.path, "CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n- Less.\n")
    package.commit("less")
    refused = call(*WAYPOST, "release", "minor", "-C", package.path)
    assert refused.returncode == 1
    assert "breaking: the command was removed; this demands a major release" in refused.stderr
    verdict = semver(read_product(package.path), None, None)
    assert (verdict.base, verdict.least) == ("1.0.0", "2.0.0")


def spoil_readme(folder: Path) -> None:
    (folder / "README.md").unlink()


def spoil_number(folder: Path) -> None:
    edit(folder, "src/tally/__init__.py", "0.1.0", "0.2.0")


def forget_number(folder: Path) -> None:
    edit(folder, "setup.cfg", "[bumpversion:file:src/tally/__init__.py]\n", "")


def spoil_requirement(folder: Path) -> None:
    edit(folder, "pyproject.toml", "click>=8", "click>>8")


def spoil_build(folder: Path) -> None:
    edit(folder, "backend.py", "import re, zipfile\n", "raise RuntimeError('no such luck')\n")


def spoil_wheel(folder: Path) -> None:
    edit(folder, "backend.py", "Version: {version}", "Version: 7.0.0")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_readme, "there is no file README.md"),
        (spoil_number, "it says version 0.2.0, setup.cfg 0.1.0"),
        (forget_number, "it says version 0.1.0, setup.cfg 1.0.0"),
        (spoil_requirement, "'click>>8'"),
        (spoil_build, "no such luck"),
        (spoil_wheel, "says version 7.0.0, not 1.0.0"),
    ],
)
def test_packages_that_are_not_released(
    package: Repository, call: Call, spoil: Callable[[Path], None], words: str
) -> None:
    """What could not be built, or would be found under another version: refused, and nothing is touched."""
    spoil(package.path)
    package.commit("spoilt")
    before = state_of(package)
    result = call(*WAYPOST, "release", "--dry-run", "-C", package.path)
    assert result.returncode == 1
    assert words in result.stderr
    assert state_of(package) == before


def test_package_below_another_product(workplace: Path, call: Call) -> None:
    """A package in a folder has numbers, records and tags of its own, and needs a prefix for these."""
    repository = make_package(workplace / "both")
    write_package(repository.path / "sub")
    edit(repository.path / "sub", "setup.cfg", "tag_name = tally-v{new_version}\n", "")
    repository.commit("sub")
    refused = call(*WAYPOST, "release", "--offline", "-C", repository.path / "sub")
    assert refused.returncode == 1
    assert "tag_name = tally-sheets-v{new_version}" in refused.stderr
    edit(repository.path / "sub", "setup.cfg", "tag = False", "tag = False\ntag_name = sub-v{new_version}")
    repository.commit("prefix")
    released = call(*WAYPOST, "release", "--offline", "-C", repository.path / "sub")
    assert released.returncode == 0, released.stderr
    assert repository.git("tag") == "sub-v1.0.0"
    assert repository.git("log", "-1", "--format=%s") == "Release tally-sheets 1.0.0"
    changed = repository.git("diff", "--name-only", "HEAD~1").splitlines()
    assert {path.partition("/")[0] for path in changed} == {"sub"}
    assert 'version = "0.1.0"' in (repository.path / "pyproject.toml").read_text()


def test_product_is_declared(package: Repository) -> None:
    """A pipeline below a package, such as an example, makes it no pipeline where that is said."""
    (package.path / "example").mkdir()
    (package.path / "example" / "pipeline.yaml").write_text("name: x\n")
    assert read_product(package.path).kind == "pipeline"
    edit(
        package.path,
        "pyproject.toml",
        "[tool.waypost.interface]",
        '[tool.waypost]\nproduct = "package"\n\n[tool.waypost.interface]',
    )
    assert read_product(package.path).kind == "package"
    shutil.rmtree(package.path / "example")
    edit(package.path, "pyproject.toml", 'product = "package"', 'product = "components"')
    with pytest.raises(UsageError, match="no components here"):
        read_product(package.path)


def test_engine_of_a_record(tmp_path: Path) -> None:
    """A record names the engine that lies in its repository, with its tree where it is not a released one."""
    from waypost import __version__
    from waypost.release.engine import engine_in

    repository = make_repository(tmp_path / "grades")
    repository.commit("nothing")
    assert engine_in(repository.path) == __version__
    write_package(repository.path / "engine")
    edit(repository.path / "engine", "pyproject.toml", "tally-sheets", "waypost")
    repository.git("add", "--all")
    tree = repository.git("write-tree", "--prefix=engine/")
    assert engine_in(repository.path) == f"0.1.0+{tree[:12]}"
    lines = repository.git("ls-tree", tree).splitlines()
    trees = {line.split("\t")[1]: line.split()[2] for line in lines}
    record = {"kind": "package", "name": "waypost", "version": "0.1.0", "date": "", "engine": "", "notes": ""}
    (repository.path / "engine" / "releases").mkdir()
    text = json.dumps({**record, "made_with": {}, "trees": trees})
    (repository.path / "engine" / "releases" / "0.1.0.json").write_text(text)
    repository.git("add", "--all")
    assert engine_in(repository.path) == "0.1.0"


@pytest.fixture(scope="module")
def own_interface() -> PackageInterface:
    """That of the engine's source; reading it takes seconds."""
    return interface_of(ROOT / "engine")


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A copy of the engine's source."""
    repository = make_repository(tmp_path / "copy")
    ignored = shutil.ignore_patterns("__pycache__", "tests", "benchmarks", "*.egg-info", "mutants")
    shutil.copytree(ROOT / "engine", repository.path / "engine", ignore=ignored)
    return repository.path / "engine"


GOES: list[tuple[str, str, str, str]] = [
    ("commands/verbs.py", '"outdated": Verb(', "waypost outdated", "breaking: the command was removed"),
    ("commands/lock.py", '@click.option("--check"', "waypost lock", "breaking: option '--check' was removed"),
    ("contracts/pipeline.py", "cache: bool", "pipeline.yaml", "breaking: key 'steps.*.cache' was removed"),
    ("runs/events.py", "experiment_id: str", "waypost run --json", "breaking: key 'experiment_id' was removed"),
]  # fmt: skip


@pytest.mark.xdist_group("interface of the engine")
def test_interface_of_the_engine(own_interface: PackageInterface, engine: Path) -> None:
    """A verb, an option, a key of pipeline.yaml or of a document that goes from this source demands 2.0.0."""
    for file, dropped, _, _ in GOES:
        source = engine / "src" / "waypost" / file
        lines = source.read_text().splitlines(keepends=True)
        assert any(dropped in line for line in lines)
        source.write_text("".join(line for line in lines if dropped not in line))
    found = package_changes(own_interface, interface_of(engine))
    for _, _, group, text in GOES:
        assert [str(change) for change in found[group] if str(change) == text] == [text]
        assert demanded(change for change in found[group] if str(change) == text) == "major"


@pytest.mark.xdist_group("interface of the engine")
def test_exit_codes_of_the_engine(own_interface: PackageInterface) -> None:
    """The codes that `--help` names are those of the interface."""
    from waypost.cli import cli

    codes = own_interface.exit_codes
    ends = {"interrupted": 130, "terminated": 143, "hung-up": 129, "quit": 131}
    assert codes == {"ok": 0, "findings": 1, "usage": 2, "remote": 3, "integrity": 4, **ends}
    assert "0 ok, 1 findings or a failed step, 2 usage, 3 network or access, 4 integrity" in str(cli.help)
