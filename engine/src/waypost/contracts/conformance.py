"""The rules for every component of a library; their ids are in contracts/rules.py."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from waypost.contracts import code_conformance
from waypost.contracts.checks import entry_point_problems
from waypost.contracts.command import parameters_in, programs_in
from waypost.contracts.component import FILE
from waypost.contracts.component_folder import README, Rule, Source
from waypost.contracts.readme import readme_problems
from waypost.contracts.requirements import lines_of
from waypost.errors import Finding, FindingsError, nearest
from waypost.texts.json_text import read_json
from waypost.texts.value_schema import schema_problems

_PINNED = re.compile(r"[\w.\-]+(\[[\w,. \-]+\])?\s*==\s*[^\s*]+(\s|;|$)")
_ASKS_ELSEWHERE = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "-e")
# The rule that a key of an entry point breaks, by its last part.
_KEYS = {"command": "command", "default": "default", "schema": "schema"}


def conformance(source: Source) -> list[Finding]:
    """Returns a finding for every rule that a component breaks."""
    return [finding for rule in RULES for finding in rule(source)]


def _name(source: Source) -> Iterator[Finding]:
    """The name is that of the folder."""
    if source.component.name != source.name:
        problem = f"its name is {source.component.name!r}, its folder's {source.name!r}"
        hint = "pipelines use the folder's name, MLflow the component's"
        yield source.finding("name", FILE, problem, hint)


def _contract(source: Source) -> Iterator[Finding]:
    """There is a main entry point, and everything is described."""
    component = source.component
    if "main" not in component.entry_points:
        yield source.finding("entry-point", FILE, "it has no entry point 'main', which a step uses")
    for name, entry_point in component.entry_points.items():
        items = [(n, p.description) for n, p in entry_point.parameters.items()]
        items += [(n, output.description) for n, output in entry_point.outputs.items()]
        silent = [repr(key) for key, description in items if not description]
        if not entry_point.description:
            silent.insert(0, "the entry point itself")
        if silent:
            problem = f"entry point {name!r} does not describe {', '.join(silent)}"
            yield source.finding("described", FILE, problem, "users read them: `waypost components info`")


def _command(source: Source) -> Iterator[Finding]:
    """Placeholders are parameters, defaults match, and the program exists."""
    for name, entry_point in source.component.entry_points.items():
        place = f"{FILE}: entry_points.{name}"
        for key, problem, hint in entry_point_problems(entry_point):
            rule = _KEYS.get(key.rpartition(".")[2], "parameter")
            yield source.finding(rule, f"{place}.{key}", problem, hint)
        for file in programs_in(entry_point.command):
            if not file.startswith("../") and posixpath.normpath(file) not in source.files:
                yield source.finding("command", f"{place}.command", f"it runs {file}, which does not exist")


def _used(source: Source) -> Iterator[Finding]:
    """The command uses every parameter."""
    for name, entry_point in source.component.entry_points.items():
        for lost in sorted(set(entry_point.parameters) - parameters_in(entry_point.command)):
            problem = f"the command does not use the parameter {lost!r}: MLflow silently drops its value"
            place = f"{FILE}: entry_points.{name}.command"
            yield source.finding("unused-parameter", place, problem, f"add --{lost}={{{lost}}}")


def _shared(source: Source) -> Iterator[Finding]:
    """Shared folders exist."""
    for folder in source.component.shared:
        if folder not in source.beside:
            problem = f"the library has no folder {folder!r}"
            hint = nearest(folder, source.beside) or "the component cannot be locked"
            yield source.finding("shared", f"{FILE}: shared", problem, hint)


def _files(source: Source) -> Iterator[Finding]:
    """The environment files exist, in the component's own or shared folders."""
    named = source.component.python_env or source.component.conda_env
    if named is not None and source.python_env is None:
        yield source.finding("environment", FILE, f"no {named} here")
    for file in source.python_env.requirement_files if source.python_env else ():
        if file not in source.requirements:
            problem = f"{file} is not a file in {', '.join(source.together)}"
            yield source.finding("environment", named or FILE, problem, "only these folders are delivered")


def _schemas(source: Source) -> Iterator[Finding]:
    """The schemas of YAML parameters exist, with supported keywords only."""
    for name, entry_point in source.component.entry_points.items():
        for key, parameter in entry_point.parameters.items():
            if parameter.schema_ is None:
                continue
            place = f"{FILE}: entry_points.{name}.parameters.{key}.schema"
            if parameter.schema_ not in source.schemas:
                problem = f"{parameter.schema_} is not a file in {', '.join(source.together)}"
                yield source.finding("schema", place, problem, "only these folders are delivered")
                continue
            try:
                found = schema_problems(read_json(source.schemas[parameter.schema_], parameter.schema_))
            except FindingsError as error:
                found = [finding.problem for finding in error.findings]
            for problem in found:
                yield source.finding("schema", place, f"{parameter.schema_}: {problem}")


def _environment(source: Source) -> Iterator[Finding]:
    """Packages are declared, each in one version, with hashes."""
    named = source.component.python_env or source.component.conda_env
    has_python = any(file.endswith(".py") for file in source.files)
    if named is None and source.python_env is None and has_python:
        hint = "add a python_env.yaml that names a requirements.txt with hashes"
        yield source.finding("undeclared-environment", FILE, "it does not declare its packages", hint)
    if source.python_env is None:
        return
    place = named or FILE
    if source.python_env.beyond:
        problem = (
            f"{', '.join(source.python_env.beyond)}: conda packages have no hashes, and are not installed"
        )
        yield source.finding("hashed", place, problem, "list packages from PyPI under `pip:`")
    for line in source.python_env.dependencies:
        if not line.startswith(("-r ", "--requirement ", "-c ", "--constraint ")):
            problem = f"{line!r} has no hash"
            yield source.finding("hashed", place, problem, "list it in a requirements file, with hashes")
            if not _PINNED.match(line):
                yield source.finding("pinned", place, f"{line!r} is not one version", "such as name==1.2.3")
    for file, text in source.requirements.items():
        yield from _requirements(source, file, text)


def _requirements(source: Source, file: str, text: str) -> Iterator[Finding]:
    lines = [line for line in lines_of(text) if not line.startswith("--hash=")]
    asks = [line for line in lines if line.startswith("-")]
    packages = [line for line in lines if not line.startswith("-")]
    loose = [line for line in packages if not _PINNED.match(line)]
    bare = [line for line in packages if "--hash=" not in line]
    hint = "generate it: uv pip compile --generate-hashes"
    for rule, what, found in (("pinned", "one version", loose), ("hashed", "hashes", bare)):
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            name = re.split(r"[\s;=<>~!@]", found[0])[0]
            yield source.finding(rule, file, f"{name}{more} without {what}", hint)
    for line in asks:
        if line.split("=")[0].split(" ")[0] in _ASKS_ELSEWHERE:
            problem = f"{line.split('=')[0].split(' ')[0]} is the choice of the user who installs it"
            yield source.finding("index", file, problem, "remove the line")


def _readme(source: Source) -> Iterator[Finding]:
    """There is a README, and its tables match the contract."""
    if README not in source.files:
        yield source.finding("readme", "", f"no {README} here")
    elif main := source.component.entry_points.get("main"):
        for problem in readme_problems(source.readme, main):
            yield source.finding("readme", README, problem)


def _tests(source: Source) -> Iterator[Finding]:
    """There are tests."""
    names = (posixpath.basename(file) for file in source.files)
    is_test = re.compile(r"test[_.-].+|.+[_.-]test\.\w+")
    if not any(is_test.fullmatch(name) for name in names):
        yield source.finding("tests", "", "no tests here", "such as test_run.py")


RULES: tuple[Rule, ...] = (
    *(_name, _command, _shared, _files, _schemas),
    *(_contract, _used, _environment, _readme, _tests),
    *code_conformance.RULES,
)
