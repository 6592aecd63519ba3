"""What a component of any library has to be: a good one, and every way to miss it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from waypost.contracts.component import Component
from waypost.contracts.component_folder import ComponentFolder
from waypost.contracts.conformance import conformance
from waypost.contracts.python_code import Code
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.readme import readme_problems
from waypost.contracts.rules import RULES, refuses
from waypost.errors import Finding

README = """\
# load
<!-- contract -->
| parameter | type | default | what it is |
|---|---|---|---|
| `data` | path | required | table to read |
| `limit` | int, at least 1 | `5` | rows \\| at most |
| ``od`d`` | bool | `true` | odd |
| `recipe` | path | none | how |

| output | artifact | what it is |
|---|---|---|
| `table` | `table.parquet` | the table |

| metric | what it is |
|---|---|
| `rows` | rows read |
<!-- /contract -->
"""
CONTRACT: dict[str, Any] = {
    "name": "load",
    "python_env": "python_env.yaml",
    "shared": ["kit", "environment"],
    "entry_points": {
        "main": {
            "description": "Loads.",
            "example": {"data": "example.csv"},
            "parameters": {
                "data": {"type": "path", "description": "table to read"},
                "limit": {"type": "int", "default": 5, "minimum": 1, "description": "rows |  at most"},
                "od`d": {"type": "bool", "default": True, "description": "odd"},
                "recipe": {"type": "path", "default": "/dev/null", "description": "how"},
            },
            "outputs": {"table": {"path": "table.parquet", "description": "the table"}},
            "metrics": {"rows": "rows read"},
            "command": "PYTHONPATH=.. python run.py {data} {limit} {od`d} {recipe}",
        }
    },
}
FILES = frozenset(
    {
        *("MLproject", "README.md", "run.py", "test_run.py"),
        *("python_env.yaml", "requirements.txt", "example.csv"),
    }
)
LOCK = "# by uv\n\na==1.0 \\\n    --hash=sha256:aa\nb[x]==2 ; python_version > '3' \\\n    --hash=sha256:bb\n"


def source(change: Callable[[dict[str, Any]], None] = lambda _: None, **given: Any) -> ComponentFolder:
    """Returns a component that conforms, with its contract changed and other fields given."""
    import copy

    contract = copy.deepcopy(CONTRACT)
    change(contract)
    made = ComponentFolder(
        "load",
        Component.model_validate(contract),
        FILES,
        README,
        PythonEnv(dependencies=("-r requirements.txt",)),
        {"requirements.txt": LOCK},
        frozenset({"load", "kit", "environment", "other"}),
        {"load": frozenset({"kit", "os"}), "kit": frozenset({"yaml"}), "other": frozenset({"load"})},
    )
    return replace(made, **given)


def main(contract: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = contract["entry_points"]["main"]
    return found


def rename(entry: str) -> Callable[[dict[str, Any]], None]:
    return lambda c: c["entry_points"].update({entry: c["entry_points"].pop("main")})


def without_description(contract: dict[str, Any]) -> None:
    del main(contract)["outputs"]["table"]["description"]


def without_words(contract: dict[str, Any]) -> None:
    del main(contract)["description"]
    main(contract)["parameters"]["od`d"]["description"] = ""


def refused(found: ComponentFolder) -> list[Finding]:
    return [finding for finding in conformance(found) if refuses(finding.category)]


def told(found: ComponentFolder) -> list[str]:
    assert {finding.category for finding in conformance(found)} <= RULES.keys()
    return [f"{finding.category} {finding.place}: {finding.problem}" for finding in conformance(found)]


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        (source(readme="x"), "waypost check --fix writes them"),
        (source(files=FILES - {"README.md"}), "waypost check --fix writes one"),
        (source(rename("other")), "call one of them main: other"),
        (source(python_env=None), "add it: dependencies: [-r requirements.txt]"),
        (
            source(lambda c: c.update(shared=["kit", "environment", "zz"])),
            "make it, or take it out: without it the component cannot be locked",
        ),
    ],
)
def test_each_finding_says_what_mends_it(found: ComponentFolder, hint: str) -> None:
    """One line is enough to go on."""
    assert {finding.hint for finding in conformance(found)} == {hint}


def test_a_component_that_conforms() -> None:
    """Nothing is told of a component as it has to be; links, extras and markers included."""
    assert told(source()) == []


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (
            source(lambda c: c.update(name="x")),
            "name load/MLproject: its name is 'x', its folder's 'load'",
        ),
        (
            source(
                lambda c: main(c)["outputs"]["table"].pop("description"),
                readme=README.replace("the table", ""),
            ),
            "described load/MLproject: entry point 'main' does not describe 'table'",
        ),
        (
            source(without_words, readme=README.replace("| odd |", "|  |")),
            "described load/MLproject: entry point 'main' does not describe the entry point itself, 'od`d'",
        ),
        (
            source(rename("other")),
            "entry-point load/MLproject: it has no entry point 'main', which a step uses",
        ),
        (
            source(lambda c: main(c).update(command=main(c)["command"].replace("{limit}", ""))),
            "unused-parameter load/MLproject: entry_points.main.command: the command does not use",
        ),
        (
            source(lambda c: main(c).update(command=main(c)["command"] + " {limt}")),
            "command load/MLproject: entry_points.main.command: {limt} is not a parameter",
        ),
        (
            source(lambda c: main(c).update(command=main(c)["command"].replace("run.py", "./go.py"))),
            "command load/MLproject: entry_points.main.command: it runs ./go.py, which does not exist",
        ),
        (
            source(
                lambda c: main(c)["parameters"]["limit"].update(default=0),
                readme=README.replace("`5`", "`0`"),
            ),
            "default load/MLproject: entry_points.main.parameters.limit.default: 0 is less than the",
        ),
        (
            source(lambda c: c.update(shared=["kit", "environment", "gone"])),
            "shared load/MLproject: shared: the library has no folder 'gone'",
        ),
        (
            source(lambda c: c.update(shared=["environment"])),
            "imports load/MLproject: load imports 'kit', which is not in `shared`",
        ),
        (
            source(imports={"load": frozenset({"kit"}), "kit": frozenset({"other"})}),
            "imports load/MLproject: kit imports 'other', which is not in `shared`",
        ),
        (
            source(lambda c: c.pop("python_env"), python_env=None),
            "undeclared-environment load/MLproject: it does not declare its packages",
        ),
        (source(python_env=None), "environment load/MLproject: no python_env.yaml here"),
        (
            source(python_env=PythonEnv(dependencies=("-r requirements.txt", "scipy==1"))),
            "hashed load/python_env.yaml: 'scipy==1' has no hash",
        ),
        (
            source(
                lambda c: c.update(conda_env=f"{c.pop('python_env').partition('.')[0]}.yml"),
                python_env=PythonEnv(dependencies=("a==1.0",), conda="load/python_env.yml"),
            ),
            "hashed load/python_env.yml: 'a==1.0' has no hash",
        ),
        (
            source(python_env=PythonEnv(dependencies=("-r requirements.txt",), beyond=("cudatoolkit",))),
            "hashed load/python_env.yaml: cudatoolkit: conda packages have no hashes, and are not installed",
        ),
        (
            source(requirements={}),
            "environment load/python_env.yaml: requirements.txt is not a file in load, kit, environment",
        ),
        (
            source(
                requirements={"requirements.txt": LOCK + "c>=1 --hash=sha256:cc\nd==1.* --hash=sha256:dd\n"}
            ),
            "pinned load/requirements.txt: c and 1 more without one version",
        ),
        (
            source(requirements={"requirements.txt": LOCK + "c==1\n"}),
            "hashed load/requirements.txt: c without hashes",
        ),
        (
            source(requirements={"requirements.txt": "--index-url https://u:p@example.org\n" + LOCK}),
            "index load/requirements.txt: --index-url is the choice of the user who installs it",
        ),
        (source(files=source().files - {"README.md"}), "readme load: no README.md here"),
        (source(files=source().files - {"test_run.py"}), "tests load: no tests here"),
        (
            source(readme=README.replace("<!-- /contract -->", "")),
            "readme load/README.md: it has no contract tables"
            " between <!-- contract --> and <!-- /contract -->",
        ),
    ],
    ids=lambda value: "" if isinstance(value, ComponentFolder) else value.partition(":")[0],
)
def test_what_is_told(found: ComponentFolder, problem: str) -> None:
    """Each way to miss it is told once, with its rule as the category; nothing else is told with it."""
    [finding] = told(found)
    assert finding.startswith(problem)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "| `data` |",
            "| `date` |",
            ["parameter 'data' is not in its table", "parameter 'date' is in its table"],
        ),
        ("| `5` |", "| `6` |", ["parameter 'limit': default is '6' there, '5' in the contract"]),
        ("| required |", "| none |", ["parameter 'data': default is 'none' there, 'required'"]),
        ("| int, at", "| float, at", ["parameter 'limit': type is 'float, at least 1' there, 'int'"]),
        ("table.parquet", "t.parquet", ["output 'table': artifact is 't.parquet' there, 'table.parquet'"]),
        ("rows read", "rows", ["metric 'rows': what it is is 'rows' there, 'rows read' in the contract"]),
        (
            "how |",
            "how |\n| `x` | int | `1` | y |",
            ["parameter 'x' is in its table, but not in the contract"],
        ),
        ("| type ", "", []),
    ],
)
def test_tables_of_a_readme(old: str, new: str, problem: list[str]) -> None:
    """Every row that differs is told with both sides; the columns are the library's own choice."""
    assert old in README
    text = (
        README.replace(old, new)
        if problem
        else README.replace("| parameter | type |", "| parameter | kind |")
    )
    found = list(readme_problems(text, Component.model_validate(CONTRACT).entry_points["main"]))
    assert len(found) == len(problem)
    for said, expected in zip(found, problem, strict=True):
        assert said.startswith(expected)


def test_a_link_that_became_a_text() -> None:
    """Git writes a link as a text where there are none, as on Windows: that is told, not a package."""
    found = source(requirements={"requirements.txt": "../environment/requirements.txt"})
    assert {finding.hint.partition(":")[0] for finding in conformance(found)} == {"it is the text of a link"}


@pytest.mark.parametrize(
    ("declared", "lacking"),
    [
        ("path", "description"),
        ({"description": "table to read"}, "type"),
        ({"default": ""}, "type and description"),
        ({"type": "path", "description": "table to read"}, ""),
    ],
)
def test_what_the_kit_reads_of_a_parameter(declared: Any, lacking: str) -> None:
    """MLflow takes `data: path`, and a parameter without a type; the kit of the component does not."""

    def change(contract: dict[str, Any]) -> None:
        contract["shared"].append("componentkit")
        main(contract)["parameters"]["data"] = declared

    imports = {"load": frozenset({"componentkit"})}
    code = {"run.py": Code(), "../componentkit/arguments.py": Code()}
    beside = source().beside | {"componentkit"}
    found = refused(source(change, imports=imports, code=code, beside=beside))
    told_ = [f"componentkit reads its {lacking}, and ends without"] if lacking else []
    assert [each.problem for each in found if each.category == "arguments"] == told_
    without = refused(source(change, imports={"load": frozenset[str]()}, code=code, beside=beside))
    assert not [each for each in without if each.category == "arguments"]


def test_a_folder_with_the_name_of_a_package() -> None:
    """Python does not look beside a program: where nothing makes it, `import other` is a package."""
    alone = {"command": "python run.py {data} {limit} {od`d} {recipe}"}
    imports = {"load": frozenset({"other"}), "kit": frozenset[str]()}
    assert not refused(source(lambda c: main(c).update(alone), imports=imports))
    for more in ("sys", "importlib"):
        may = {"load": frozenset({"other", more})}
        assert [f.category for f in refused(source(lambda c: main(c).update(alone), imports=may))] == [
            "imports"
        ]


def test_what_no_lock_takes() -> None:
    """A file that git cannot hand over is told once, with its place; the lock's own link has its rule."""
    files = {"load/sub": "is a submodule", "load/requirements.txt": "is a link that may leave its folder"}
    [finding] = refused(source(refused=files))
    assert (finding.category, finding.place, finding.problem) == ("delivered", "load/sub", "is a submodule")


def test_what_keeps_a_library_from_its_release() -> None:
    """What nobody could lock or run, and what misleads: another name, a placeholder, a default, a script, a
    folder or a file that is not there, a parameter that the command drops, packages in any version.
    Descriptions, hashes, README, tests and examples are advice.
    """

    def broken(contract: dict[str, Any]) -> None:
        contract.update(name="lod", shared=["kits", "environment"])
        main(contract)["parameters"]["limit"]["default"] = 0
        main(contract)["command"] = "python ran.py {dta} {limit}"
        without_words(contract)

    found = source(broken, requirements={}, readme="", files=frozenset({"MLproject"}), imports={})
    assert [(f.category, f.problem, f.hint) for f in refused(found) if f.category != "unused-parameter"] == [
        (
            "name",
            "its name is 'lod', its folder's 'load'",
            "name: load; pipelines use the folder's name, MLflow the component's",
        ),
        ("command", "{dta} is not a parameter", "did you mean 'data'?"),
        ("default", "0 is less than the minimum, 1", "another default, or another range or choices"),
        (
            "command",
            "it runs ran.py, which does not exist",
            "add it to load, or name a program that is there",
        ),
        ("shared", "the library has no folder 'kits'", "did you mean 'kit'?"),
        (
            "environment",
            "requirements.txt is not a file in load, kits, environment",
            "add it to load (uv pip compile --generate-hashes), or a link to a file in one of the others",
        ),
    ]
    near = source(lambda c: main(c).update(command=main(c)["command"].replace("run.py", "rnu.py")))
    assert [finding.hint for finding in refused(near)] == ["did you mean 'run.py'?"]
    gone = source(files=FILES - {"run.py"})  # a test of it is no program
    assert [finding.hint[:14] for finding in refused(gone)] == ["add it to load"]
    outside = source(requirements={})  # a link to what is not delivered
    assert [finding.hint for finding in refused(outside)] == ["only these folders are delivered"]
    assert "add --data={data}" in [f.hint for f in refused(found)]
    loose = source(requirements={"requirements.txt": "pandas\n"})
    assert [f.category for f in refused(loose)] == ["pinned"]
    assert refused(source()) == []


@pytest.mark.parametrize(
    ("schemas", "problem"),
    [
        ({}, "recipe.json is not a file in load, kit, environment"),
        ({"recipe.json": "{"}, "recipe.json: not valid JSON"),
        ({"recipe.json": '{"pattern": "x"}'}, "recipe.json: the keyword 'pattern' is not checked"),
        ({"recipe.json": '{"type": "object"}'}, ""),
    ],
)
def test_schemas_of_parameters(schemas: dict[str, str], problem: str) -> None:
    """A schema that a contract names is there, and nothing in it is passed over in silence."""
    change = lambda contract: main(contract)["parameters"]["recipe"].update(schema="recipe.json")  # noqa: E731
    found = refused(source(change, schemas=schemas))
    assert [finding.problem.startswith(problem) for finding in found] == ([True] if problem else [])


@pytest.mark.parametrize(
    "command",
    [
        "cd src && python ran.py",
        "python <<EOF",
        "bash -c 'python ran.py'",
        "python /opt/ran.py",
        "python -m ran",
    ],
)
def test_commands_that_say_no_file_of_the_folder(command: str) -> None:
    """Where only a shell knows what runs, nothing is told to be missing."""
    assert not [f for f in refused(source(lambda c: main(c).update(command=command))) if "runs" in f.problem]


def test_components_of_other_languages() -> None:
    """A component without Python needs no python_env.yaml; its script has to be there, and some tests."""
    contract = {"name": "load", "entry_points": {"main": {"description": "x", "command": "Rscript run.R"}}}
    table = "<!-- contract -->\n<!-- /contract -->"
    files = frozenset({"MLproject", "README.md", "run.R", "test-run.R"})
    assert told(ComponentFolder("load", Component.model_validate(contract), files, table)) == []
    assert told(ComponentFolder("load", Component.model_validate(contract), files - {"run.R"}, table)) == [
        "command load/MLproject: entry_points.main.command: it runs run.R, which does not exist"
    ]


@pytest.mark.parametrize(
    ("options", "required", "is_open", "problem"),
    [
        ({"--data", "--limit"}, set(), False, ""),
        ({"--data"}, set(), False, "run.py reads no --limit"),
        ({"--dat", "--limits"}, set(), False, "run.py reads no --data; did you mean '--dat'?"),
        ({"--data", "--limit", "--seed"}, {"--seed"}, False, "run.py requires --seed, which the command"),
        ({"--data"}, set(), True, ""),  # sys.argv, parse_known_args, names that are computed
        (set(), set(), False, ""),  # no argparse here
    ],
)
def test_options_of_the_command_and_of_the_program(
    options: set[str], required: set[str], is_open: bool, problem: str
) -> None:
    """What a program would not take, or lacks, is told before it runs; the beginning of an option is one."""
    code = Code(frozenset(), frozenset(), frozenset(options), frozenset(required), is_open=is_open)
    change = lambda c: main(c).update(command="python run.py --data={data} --limit {limit} {recipe}")  # noqa: E731
    found = [f for f in conformance(source(change, code={"run.py": code})) if f.category == "arguments"]
    assert [str(f).partition("command: ")[2].startswith(problem) for f in found] == (
        [True] if problem else []
    )


@pytest.mark.parametrize(
    ("texts", "is_told"),
    [
        ({"table.parquet"}, False),
        ({"out/table.parquet"}, False),
        ({"table"}, False),  # the output's name, as componentkit takes it
        ({"clean.parquet"}, True),
        (set(), True),
    ],
)
def test_outputs_that_no_code_names(texts: set[str], is_told: bool) -> None:
    """An output is logged by a name that stands somewhere in the code, or in what it shares."""
    code = {"run.py": Code(texts=frozenset(texts)), "../kit/x.py": Code(texts=frozenset({"x"}))}
    found = [f for f in conformance(source(code=code)) if f.category == "outputs"]
    assert [f.problem for f in found] == (
        ["no code here names 'table.parquet', the output 'table'"] if is_told else []
    )


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ({"data": "example.csv", "limit": 3}, ""),
        ({"data": "https://example.org/a.csv"}, ""),
        ({"data": "../kit/a.csv"}, ""),
        ({"data": "${components.other.outputs.table}"}, ""),
        ({}, "the example gives no value for 'data'; example: {data: …} in the entry point"),
        (
            {"data": "gone.csv"},
            "the example's data: no gone.csv here; add a small file in its folder",
        ),
        (
            {"data": "example.csv", "limt": 3},
            "the example gives 'limt', which is not a parameter; did you mean",
        ),
        ({"data": "example.csv", "limit": 0}, "the example's limit: 0 is less than the minimum, 1"),
        ({"data": "${components.others.outputs.table}"}, "the example's data: no component 'others' here"),
        ({"data": "${components.other.outputs.tables}"}, "the example's data: other has no output 'tables'"),
    ],
)
def test_examples(example: dict[str, Any], problem: str) -> None:
    """An example gives what is required, in values that fit and files that are there, or by another one."""
    others = {"other": Component.model_validate({**CONTRACT, "name": "other"})}
    found = conformance(source(lambda c: main(c).update(example=example), contracts=others))
    assert [str(f).partition("example: ")[2].startswith(problem) for f in found] == (
        [True] if problem else []
    )
    assert {f.category for f in found} <= {"example"}
