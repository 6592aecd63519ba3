"""The texts of new repositories and components."""

from __future__ import annotations

import ast
import configparser
import json
import posixpath
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from waypost import __version__
from waypost.contracts.component import Component, parse_component
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.readme import contract_tables, readme_problems, with_tables
from waypost.contracts.tag_names import own_prefix
from waypost.errors import FindingsError, UsageError
from waypost.scaffold import library, repository
from waypost.scaffold.adopting import Adopted, parameters_text, pipeline_text
from waypost.scaffold.texts import scalar
from waypost.scaffold.writing import Link, ignored, without, write
from waypost.sources.git import git


@pytest.mark.parametrize(
    "files",
    [
        repository.pipeline_repository("grades", "Ada", "lock"),
        repository.pipeline_repository('a: b #c "x" ${y}\n- z', "Ada: {", "lock"),
        repository.library_repository("parts", "Ada", "lock"),
        repository.library_repository("parts", "Ada", "lock", "waypost==1.0 --hash=sha256:aa"),
        library.component("clean"),
        library.component("count", "shell"),
    ],
)
def test_new_files_can_be_read(files: dict[str, str | Link]) -> None:
    """YAML, Python, setup.cfg can be read; no place of a template is left open."""
    for name, text in files.items():
        if isinstance(text, Link):
            assert text.to == "../environment/requirements.txt"
            continue
        assert "@{" not in text, name
        if name.endswith(".py"):
            ast.parse(text)
        elif name.endswith((".yaml", ".yml", "MLproject")):
            assert yaml.safe_load(text), name
        elif name.endswith(".cfg"):
            configparser.ConfigParser().read_string(text)


def test_a_product_below_the_top_of_a_repository() -> None:
    """Its tags have its name, and it has no workflow: only those at the top of a repository are started."""
    files = repository.below_top(
        "my parts!", repository.library_repository("my parts!", "Ada", "lock", "x==1")
    )
    assert own_prefix(str(files["setup.cfg"])) == "my-parts-v"
    assert not [name for name in files if name.startswith(".github")]


SAYS = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")


def test_new_files_name_the_schemas_that_they_fit() -> None:
    """Each file that an editor checks names a schema that comes along, and is what that takes."""
    files = repository.pipeline_repository("grades", "Ada", "lock")
    named = {name: hit[1] for name, text in files.items() if (hit := SAYS.match(str(text)))}
    assert set(named) == {
        *("pipeline.yaml", "params.yaml", "components/load/MLproject", "components/train/MLproject")
    }
    for name, schema in named.items():
        place = posixpath.normpath(posixpath.join(posixpath.dirname(name), schema))
        validator = jsonschema.Draft202012Validator(json.loads(str(files[place])))
        assert not list(validator.iter_errors(yaml.safe_load(str(files[name]))))
    parameters = jsonschema.Draft202012Validator(json.loads(str(files[".schemas/params.json"])))
    assert list(parameters.iter_errors({"trees": 0}))


@pytest.mark.parametrize(
    ("engine", "installed"),
    [("", f"waypost=={__version__}"), ("x==1\n", "--require-hashes --requirement .github/waypost.txt")],
)
def test_what_the_workflow_installs(engine: str, installed: str) -> None:
    """Waypost by its hashes, where an index has this version; else by its number. Some twenty lines."""
    files = repository.library_repository("parts", "Ada", "lock", engine)
    workflow = yaml.safe_load(str(files[repository.WORKFLOW]))
    runs = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert runs[:2] == [f"python -m pip install --quiet {installed}", "waypost check --run"]
    assert files.get(repository.ENGINE_LOCK, "") == engine
    assert len(str(files[repository.WORKFLOW]).splitlines()) < 25


@pytest.mark.parametrize("template", ["component", "load", "shell", "train"])
def test_the_readme_of_a_new_component_has_its_contract(template: str) -> None:
    """The tables are those of the contract."""
    files = library.component("x1", template)
    main = parse_component(str(files["x1/MLproject"]), "MLproject").entry_points["main"]
    assert list(readme_problems(str(files["x1/README.md"]), main)) == []


def test_tables_are_written_anew_between_their_marks() -> None:
    """What is around them stays; where there are none, they come last; twice is the same."""
    described = {"type": "path", "description": "a | b"}
    main = component("x", {"data": described}).entry_points["main"]
    assert with_tables("# x", main) == f"# x\n\n{contract_tables(main)}\n"
    old = "before\n<!-- contract -->\nold\n<!-- /contract -->\nafter\n"
    new = with_tables(old, main)
    assert new == f"before\n{contract_tables(main)}\nafter\n"
    assert with_tables(new, main) == new
    assert list(readme_problems(new, main)) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Clean Orders", "such as clean_orders"),
        ("1a", "such as a"),
        ("../x", "such as x"),
        ("", "such as clean"),
    ],
)
def test_names_that_are_none(name: str, hint: str) -> None:
    """A name is one everywhere: a folder, a module, MLflow's, a pipeline's."""
    with pytest.raises(UsageError, match="is no name of a component") as error:
        library.check_name(name)
    assert hint in error.value.hint


@pytest.mark.parametrize("name", ["environment", "componentkit", "releases"])
def test_names_of_a_librarys_own_folders(name: str) -> None:
    """A component in one of them would mix with what all components share, or with the records."""
    with pytest.raises(UsageError, match="is a folder of every library"):
        library.check_name(name)


@pytest.mark.parametrize("there", ["file", "link", "folder"])
def test_a_component_whose_folder_is_taken(tmp_path: Path, there: str) -> None:
    """No new component is put among files of somebody else; an empty folder is free."""
    write(tmp_path, library.library("lock", library.readme_values("x")))
    (tmp_path / "free").mkdir()
    assert library.new_component(tmp_path, "free")
    match there:
        case "file":
            (tmp_path / "taken").touch()
        case "link":
            (tmp_path / "taken").symlink_to("nowhere")
        case "folder":
            (tmp_path / "taken").mkdir()
            (tmp_path / "taken" / "notes.txt").touch()
    for make in (
        lambda: library.new_component(tmp_path, "taken"),
        lambda: library.copy_of(tmp_path, "load", "taken"),
    ):
        with pytest.raises(UsageError, match="is there already"):
            make()


def test_a_repository_that_a_hosting_service_began(tmp_path: Path) -> None:
    """Its README, LICENSE and .gitignore are kept; what the latter lacks is told, all else is in the way."""
    for name in ("README.md", "LICENSE", ".gitignore", "setup.cfg"):
        (tmp_path / name).write_text("__pycache__\n/mlruns\n")
    files = without(tmp_path, repository.library_repository("x", "y", "lock"), repository.FOR_PEOPLE)
    assert not {*repository.FOR_PEOPLE} & {*files}
    assert "setup.cfg" in files
    theirs = (tmp_path / ".gitignore").read_text()
    assert repository.ignored_by_none(theirs) == [".venv/", ".pytest_cache/", "mlflow.db"]


def test_new_files_that_git_ignores(tmp_path: Path) -> None:
    """They are told: a check finds them in the folder, and nobody else gets them."""
    files = {"clean/run.py": "", "clean/example.csv": ""}
    write(tmp_path, files)
    (tmp_path / ".gitignore").write_text("*.csv\n")
    assert ignored(tmp_path, files) == ""
    git(tmp_path, "init", "--quiet")
    assert ignored(tmp_path, files) == "git ignores 1 of them, see .gitignore: clean/example.csv"


def test_nothing_that_is_there_is_replaced(tmp_path: Path) -> None:
    """All that is there already is named; where writing fails, nothing of it is left."""
    (tmp_path / "a").write_text("mine")
    (tmp_path / "c").symlink_to("nowhere")
    with pytest.raises(FindingsError) as error:
        write(tmp_path, {"a": "new", "b/x": "new", "c": "new"})
    assert [Path(finding.place).name for finding in error.value.findings] == ["a", "c"]
    assert (tmp_path / "a").read_text() == "mine"
    with pytest.raises(OSError, match="too long"):
        write(tmp_path, {"b/x": "new", "b/" + "y" * 300: "new"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_a_copied_program_can_be_executed(tmp_path: Path) -> None:
    """A command such as ./run.sh needs the mode of the file, in the copy of a component, too."""
    lib = tmp_path / "lib"
    write(lib, library.component("count", "shell"))
    (lib / "count" / "run.sh").chmod(0o755)
    write(lib, library.copy_of(lib, "count", "sum"))
    assert (lib / "sum" / "run.sh").stat().st_mode & 0o111
    assert not (lib / "sum" / "README.md").stat().st_mode & 0o111


def test_a_file_that_comes_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process makes after the look at what is there is neither replaced nor removed."""

    def late(folder: Path, _: object) -> None:
        (folder / "b").write_text("theirs")
        (folder / "c").symlink_to("theirs")

    monkeypatch.setattr("waypost.scaffold.writing.check_free", late)
    new: list[dict[str, str | Link]] = [{"a": "new", "b": "new"}, {"a": "new", "c": Link("a")}]
    for files in new:
        with pytest.raises(FileExistsError):
            write(tmp_path, files)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]
        assert (tmp_path / "b").read_text() == "theirs"
        (tmp_path / "c").unlink()


def component(name: str, parameters: dict[str, Any], outputs: dict[str, Any] | None = None) -> Component:
    main = {
        "parameters": parameters,
        "outputs": outputs or {},
        "command": "x",
        "description": f"Does {name}.",
    }
    return Component.model_validate({"name": name, "entry_points": {"main": main}})


@pytest.mark.parametrize(
    "value",
    ["a", "a: b", "~", "no", "1.0", "", "x #y", '"', "\n", "é", True, 1, 0.5, None, "null", "./a-b.c"],
)
def test_values_stay_what_they_are(value: object) -> None:
    """A scalar that is written on one line is read as the same value, also by YAML 1.1."""
    text = scalar(value)
    assert yaml.safe_load(f"a: {text}") == {"a": value}
    assert "\n" not in text


TABLE = {"path": "t.parquet", "type": "table"}


def test_an_input_is_the_output_that_is_meant() -> None:
    """Where several fit, the one that the description names."""
    parts = {name: {"path": f"{name}.parquet", "type": "table"} for name in ("train", "test")}
    rest = {"path": "importances.csv", "type": "table"}
    taking = {"type": "path", "description": "held-out test table"}
    components = {
        "split": component("split", {}, parts),
        "fit": component("fit", {}, {"importances": rest}),
        "judge": component("judge", {"data": taking}),
    }
    text = pipeline_text("p", Adopted("core", "u", "*", components))
    assert "data: ${steps.split.outputs.test}" in text


@pytest.mark.parametrize(
    ("name", "step"),
    [("load", "load"), ("TrainModel", "trainmodel"), ("1 a.b", "a-b"), ("_x_", "x"), ("Ж", "step")],
)
def test_steps_of_components_with_other_names(name: str, step: str) -> None:
    """A step has letters of pipeline.yaml, whatever the component's folder is called; `uses` has its name."""
    found = Adopted("core", "u", "*", {name: component(name, {"data": {"type": "path"}})})
    lines = pipeline_text("p", found).splitlines()
    assert lines[5].startswith("steps:")
    assert lines[6].startswith(f"  {step}:  #")
    assert lines[7] == f"    uses: core/{name}"
    assert parameters_text(found).splitlines()[1] == f"{step}:"


def test_tables_have_choices_and_ranges() -> None:
    """What a value may be stands beside its type, each cell on one line; `waypost check` takes them so."""
    parameters = {
        "depth": {
            "type": "int",
            "minimum": 1,
            "maximum": 9,
            "default": 8,
            "description": "levels\nof a tree",
        },
        "least": {"type": "float", "minimum": 0, "default": 0.5, "description": "a | b"},
        "kind": {"choices": ["x", "y"], "default": "x", "description": "one of two"},
        "flag": {"type": "bool", "default": True, "description": "whether"},
        "none": {"default": "", "description": "nothing"},
    }
    main = component("x", parameters).entry_points["main"]
    tables = contract_tables(main)
    assert [line for line in tables.splitlines() if line.startswith("| `")] == [
        "| `depth` | int, 1 to 9 | 8 | levels of a tree |",
        "| `least` | float, at least 0 | 0.5 | a \\| b |",
        "| `kind` | string, `x` or `y` | x | one of two |",
        "| `flag` | bool | true | whether |",
        "| `none` | string | none | nothing |",
    ]
    assert list(readme_problems(tables, main)) == []


def test_steps_of_adopted_components() -> None:
    """Required inputs are outputs that fit, else parameters to fill in; the rest stands there by default."""
    components = {
        "load": component("load", {"url": {"description": "where\nit is"}}, {"data": {"path": "data"}}),
        "clean": component(
            "clean",
            {"data": {"type": "path"}, "recipe": {"type": "path", "default": ""}, "on": {"default": "true"}},
            {"clean": TABLE},
        ),
        "train": component(
            "train", {"table": {"type": "path", "takes": "table"}, "depth": {"type": "int", "default": 8}}
        ),
        "idle": component("idle", {"flag": {"type": "bool", "default": True}}),
    }
    found = Adopted("core", "https://example.org/core.git", "~=1.4", components)
    text = pipeline_text("grades", found)
    assert text.splitlines()[6:] == [
        "  load:  # Does load.",
        "    uses: core/load",
        "    with:",
        "      url: ${load.url}  # where it is",
        "  clean:  # Does clean.",
        "    uses: core/clean",
        "    with:",
        "      data: ${steps.load.outputs.data}",
        '      # recipe: ""',
        '      # on: "true"',
        "  train:  # Does train.",
        "    uses: core/train",
        "    with:",
        "      table: ${steps.clean.outputs.clean}",
        "      # depth: 8",
        "  idle:  # Does idle.",
        "    uses: core/idle",
        "    # with:",
        "      # flag: true",
    ]
    assert set(parse_pipeline(text).steps) == set(components)
    assert parameters_text(found).splitlines()[1:] == ["load:", "  url: ???  # where it is"]
