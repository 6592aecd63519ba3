"""The rules for every component of a library; their ids are in contracts/rules.py."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from waypost.contracts import code_conformance
from waypost.contracts.checks import entry_point_problems
from waypost.contracts.command import parameters_in, programs_in
from waypost.contracts.component import FILE
from waypost.contracts.component_folder import README, ComponentFolder, Rule
from waypost.contracts.readme import readme_problems
from waypost.contracts.requirements import lines_of
from waypost.errors import Finding, FindingsError, nearest
from waypost.texts.json_text import read_json
from waypost.texts.value_schema import schema_problems

_PINNED = re.compile(r"[\w.\-]+(\[[\w,. \-]+\])?\s*==\s*[^\s*]+(\s|;|$)")
_ASKS_ELSEWHERE = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "-e")
_TEST = re.compile(r"test[_.-].+|.+[_.-]test\.\w+")
# The rule that a key of an entry point breaks, by its last part.
_KEYS = {"command": "command", "default": "default", "schema": "schema"}


def conformance(inspected: ComponentFolder) -> list[Finding]:
    """Returns a finding for every rule that a component breaks."""
    return [finding for rule in RULES for finding in rule(inspected)]


def _name(inspected: ComponentFolder) -> Iterator[Finding]:
    """The name is that of the folder."""
    if inspected.component.name != inspected.name:
        problem = f"its name is {inspected.component.name!r}, its folder's {inspected.name!r}"
        hint = f"name: {inspected.name}; pipelines use the folder's name, MLflow the component's"
        yield inspected.finding("name", FILE, problem, hint)


def _contract(inspected: ComponentFolder) -> Iterator[Finding]:
    """There is a main entry point, and everything is described."""
    component = inspected.component
    if "main" not in component.entry_points:
        names = ", ".join(component.entry_points)
        hint = f"call one of them main: {names}" if names else "entry_points: {main: {command: …}}"
        yield inspected.finding("entry-point", FILE, "it has no entry point 'main', which a step uses", hint)
    for name, entry_point in component.entry_points.items():
        items = [(n, p.description) for n, p in entry_point.parameters.items()]
        items += [(n, output.description) for n, output in entry_point.outputs.items()]
        silent = [repr(key) for key, description in items if not description]
        if not entry_point.description:
            silent.insert(0, "the entry point itself")
        if silent:
            problem = f"entry point {name!r} does not describe {', '.join(silent)}"
            yield inspected.finding("described", FILE, problem, "users read them: `waypost components info`")


def _command(inspected: ComponentFolder) -> Iterator[Finding]:
    """Placeholders are parameters, defaults match, and the program exists."""
    for name, entry_point in inspected.component.entry_points.items():
        place = f"{FILE}: entry_points.{name}"
        for key, problem, hint in entry_point_problems(entry_point):
            rule = _KEYS.get(key.rpartition(".")[2], "parameter")
            yield inspected.finding(rule, f"{place}.{key}", problem, hint)
        for file in programs_in(entry_point.command):
            if not file.startswith("../") and posixpath.normpath(file) not in inspected.files:
                problem = f"it runs {file}, which does not exist"
                hint = nearest(file, (name for name in inspected.files if not _TEST.fullmatch(name)))
                hint = hint or f"add it to {inspected.name}, or name a program that is there"
                yield inspected.finding("command", f"{place}.command", problem, hint)


def _used(inspected: ComponentFolder) -> Iterator[Finding]:
    """The command uses every parameter."""
    for name, entry_point in inspected.component.entry_points.items():
        for lost in sorted(set(entry_point.parameters) - parameters_in(entry_point.command)):
            problem = f"the command does not use the parameter {lost!r}: MLflow silently drops its value"
            place = f"{FILE}: entry_points.{name}.command"
            yield inspected.finding("unused-parameter", place, problem, f"add --{lost}={{{lost}}}")


def _shared(inspected: ComponentFolder) -> Iterator[Finding]:
    """Shared folders exist."""
    for folder in inspected.component.shared:
        if folder not in inspected.beside:
            problem = f"the library has no folder {folder!r}"
            hint = nearest(folder, inspected.beside)
            hint = hint or "make it, or take it out: without it the component cannot be locked"
            yield inspected.finding("shared", f"{FILE}: shared", problem, hint)


def _files(inspected: ComponentFolder) -> Iterator[Finding]:
    """The environment files exist, in the component's own or shared folders."""
    named = inspected.component.python_env or inspected.component.conda_env
    if named is not None and inspected.python_env is None:
        hint = "add it: dependencies: [-r requirements.txt]"
        yield inspected.finding("environment", FILE, f"no {named} here", hint)
    for file in inspected.python_env.requirement_files if inspected.python_env else ():
        if file not in inspected.requirements:
            problem = f"{file} is not a file in {', '.join(inspected.together)}"
            lock = f"add it to {inspected.name} (uv pip compile --generate-hashes)"
            hint = f"{lock}, or a link to a file in one of the others"
            hint = "only these folders are delivered" if file in inspected.files else hint
            yield inspected.finding("environment", named or FILE, problem, hint)


def _delivered(inspected: ComponentFolder) -> Iterator[Finding]:
    """A lock takes every file of the component and of what it shares."""
    told = inspected.python_env.requirement_files if inspected.python_env else ()
    for path, problem in inspected.refused.items():
        if path not in [posixpath.normpath(f"{inspected.name}/{file}") for file in told]:
            hint = "put the file itself there, or take it out of the component"
            yield Finding(path, problem, hint, "delivered")


def _schemas(inspected: ComponentFolder) -> Iterator[Finding]:
    """The schemas of YAML parameters exist, with supported keywords only."""
    for name, entry_point in inspected.component.entry_points.items():
        for key, parameter in entry_point.parameters.items():
            if parameter.schema_ is None:
                continue
            place = f"{FILE}: entry_points.{name}.parameters.{key}.schema"
            if parameter.schema_ not in inspected.schemas:
                problem = f"{parameter.schema_} is not a file in {', '.join(inspected.together)}"
                yield inspected.finding("schema", place, problem, "only these folders are delivered")
                continue
            try:
                found = schema_problems(read_json(inspected.schemas[parameter.schema_], parameter.schema_))
            except FindingsError as error:
                found = [finding.problem for finding in error.findings]
            for problem in found:
                yield inspected.finding("schema", place, f"{parameter.schema_}: {problem}")


def _environment(inspected: ComponentFolder) -> Iterator[Finding]:
    """Packages are declared, each in one version, with hashes."""
    named = inspected.component.python_env or inspected.component.conda_env
    has_python = any(file.endswith(".py") for file in inspected.files)
    if named is None and inspected.python_env is None and has_python:
        hint = "add a python_env.yaml that names a requirements.txt with hashes"
        yield inspected.finding("undeclared-environment", FILE, "it does not declare its packages", hint)
    if inspected.python_env is None:
        return
    place = named or FILE
    if inspected.python_env.beyond:
        problem = (
            f"{', '.join(inspected.python_env.beyond)}: conda packages have no hashes, and are not installed"
        )
        yield inspected.finding("hashed", place, problem, "list packages from PyPI under `pip:`")
    for line in inspected.python_env.dependencies:
        if not line.startswith(("-r ", "--requirement ", "-c ", "--constraint ")):
            problem = f"{line!r} has no hash"
            yield inspected.finding("hashed", place, problem, "list it in a requirements file, with hashes")
            if not _PINNED.match(line):
                yield inspected.finding(
                    "pinned", place, f"{line!r} is not one version", "such as name==1.2.3"
                )
    for file, text in inspected.requirements.items():
        yield from _requirements(inspected, file, text)


def _requirements(inspected: ComponentFolder, file: str, text: str) -> Iterator[Finding]:
    lines = [line for line in lines_of(text) if not line.startswith("--hash=")]
    asks = [line for line in lines if line.startswith("-")]
    packages = [line for line in lines if not line.startswith("-")]
    loose = [line for line in packages if not _PINNED.match(line)]
    bare = [line for line in packages if "--hash=" not in line]
    hint = "generate it: uv pip compile --generate-hashes"
    if len(packages) == 1 and re.fullmatch(r"(\.\./)+\S+", packages[0]):
        hint = "it is the text of a link: git config core.symlinks true, then git checkout it, or ln -s"
    for rule, what, found in (("pinned", "one version", loose), ("hashed", "hashes", bare)):
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            name = re.split(r"[\s;=<>~!@]", found[0])[0]
            yield inspected.finding(rule, file, f"{name}{more} without {what}", hint)
    for line in asks:
        if line.split("=")[0].split(" ")[0] in _ASKS_ELSEWHERE:
            problem = f"{line.split('=')[0].split(' ')[0]} is the choice of the user who installs it"
            yield inspected.finding("index", file, problem, "remove the line")


def _readme(inspected: ComponentFolder) -> Iterator[Finding]:
    """There is a README, and its tables match the contract."""
    if README not in inspected.files:
        yield inspected.finding("readme", "", f"no {README} here", "waypost check --fix writes one")
    elif main := inspected.component.entry_points.get("main"):
        for problem in readme_problems(inspected.readme, main):
            yield inspected.finding("readme", README, problem, "waypost check --fix writes them")


def _tests(inspected: ComponentFolder) -> Iterator[Finding]:
    """There are tests."""
    names = (posixpath.basename(file) for file in inspected.files)
    if not any(_TEST.fullmatch(name) for name in names):
        yield inspected.finding("tests", "", "no tests here", "such as test_run.py")


RULES: tuple[Rule, ...] = (
    *(_name, _command, _shared, _files, _delivered, _schemas),
    *(_contract, _used, _environment, _readme, _tests),
    *code_conformance.RULES,
)
