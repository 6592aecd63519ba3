"""Texts in files of strangers that become part of a path, a ref, or what git is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.contracts.component import parse_component
from waypost.contracts.lock import parse_lock
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.target import parse_target
from waypost.contracts.urls import url_problem
from waypost.contracts.versions import parse_requirement
from waypost.errors import FindingsError, IntegrityError, UsageError
from waypost.interfaces.record import Record, parse_record
from waypost.texts.digests import digest_of
from waypost.texts.parsing import parse

PIN = {
    "git": "../c.git",
    "requirement": "~=1.0",
    "version": "1.0.0",
    "tag": "v1.0.0",
    "commit": "c" * 40,
    "released": "2026-01-02",
    "tree": "d" * 40,
    "shared": {"kit": "e" * 64},
    "interface": "sha256:i",
    "environment": "sha256:e",
}


def contract(**changes: Any) -> str:
    entry_point = {"command": "true", **changes.pop("main", {})}
    return json.dumps({"name": "c", "entry_points": {"main": entry_point}, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"shared": ["../zz"]},
        {"shared": ["a/b"]},
        {"shared": [".git"]},
        {"shared": [".."]},
        {"shared": [""]},
        {"shared": ["a\x1b[2J"]},
        {"python_env": "/etc/passwd"},
        {"python_env": "../../x.yaml"},
        {"python_env": "a/../../x.yaml"},
        {"python_env": ""},
        {"main": {"outputs": {"o": {"path": "../../x"}}}},
        {"main": {"outputs": {"o": {"path": "/x"}}}},
        {"main": {"outputs": {"o": {"path": "a/../../x"}}}},
        {"main": {"outputs": {"../o": {"path": "x"}}}},
        {"main": {"parameters": {"../../p": {"type": "path"}}}},
        {"main": {"parameters": {"/p": {"type": "path"}}}},
    ],
)
def test_contracts_name_nothing_outside(changes: dict[str, Any]) -> None:
    """Folders, files, outputs and parameters of a contract lead nowhere but below its own folders."""
    with pytest.raises(FindingsError):
        parse_component(contract(**changes), "MLproject")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a name / as MLflow takes it"},
        {"shared": ["kit", "componentkit-2", "_x", "-x", "übung"]},
        {"python_env": "./python_env.yaml"},
        {"python_env": "../environment/python_env.yaml"},
        {"main": {"outputs": {"model": {"path": "model/"}, "a b": {"path": "tables/a b.csv"}}}},
        {"main": {"parameters": {"model/max_depth": "int", "a b": "path"}}},
    ],
)
def test_contracts_of_before_are_read(changes: dict[str, Any]) -> None:
    """What stock MLflow and version 1.0.0 take and what stays inside is taken."""
    parse_component(contract(**changes), "MLproject")


@pytest.mark.parametrize("file", ["/etc/x", "../../x", "a/../../x", "", "x\0y"])
def test_requirement_files_are_near(file: str) -> None:
    """`-r` names a file of the component, or of a folder beside it."""
    with pytest.raises(FindingsError):
        parse(PythonEnv, {"dependencies": [f"-r {file}"]}, "python_env.yaml")
    for fine in ("-r requirements.txt", "-r ../environment/requirements.txt", "-r ./x", "numpy==1", "-e ."):
        parse(PythonEnv, {"dependencies": [fine]}, "python_env.yaml")


@pytest.mark.parametrize(
    "uses", ["core/..", "core/.git", "core/git~1", "core/a\\b", "core/a\x00b", "core/../x", "core/"]
)
def test_components_are_names_of_folders(uses: str) -> None:
    """What a step uses is one folder of a source."""
    content = {"name": "p", "components": {"core": {"path": "."}}, "steps": {"one": {"uses": uses}}}
    with pytest.raises(FindingsError):
        parse_pipeline(json.dumps(content))


@pytest.mark.parametrize("name", ["../x", "a/b", "x" * 300, "", "A", "-a"])
def test_steps_are_names_of_files(name: str) -> None:
    """Logs and reports are called after steps."""
    content = {"name": "p", "components": {"core": {"path": "."}}, "steps": {name: {"uses": "core/a"}}}
    with pytest.raises(FindingsError):
        parse_pipeline(json.dumps(content))


def lock_of(pin: dict[str, Any], uses: str = "core/a") -> str:
    components = {uses: pin}
    digest = f"sha256:{digest_of(components)}"
    return json.dumps(
        {"schema": 1, "engine": "1", "requirements": "sha256:r", "digest": digest, "components": components}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"tree": "../x"},
        {"tree": "--output=/tmp/x"},
        {"tree": "d" * 39},
        {"tree": "d" * 40 + "\n"},
        {"commit": "-x"},
        {"commit": "HEAD"},
        {"commit": "C" * 40},
        {"commit": "../" + "c" * 37},
        {"shared": {"../kit": "e" * 40}},
        {"shared": {"kit": "../e"}},
        {"tag": "--upload-pack=x"},
        {"tag": "v1:refs/heads/main"},
        {"tag": "a..b"},
        {"tag": "../x"},
        {"tag": "x.lock"},
        {"version": "../1"},
        {"version": "1 0"},
    ],
)
def test_locks_of_strangers(change: dict[str, Any]) -> None:
    """Ids are full and hexadecimal, folders and tags are names: a lock asks git for nothing else."""
    assert parse_lock(lock_of(PIN), "x").components
    with pytest.raises(IntegrityError):
        parse_lock(lock_of({**PIN, **change}), "x")


@pytest.mark.parametrize("uses", ["core/../x", "core/..", "core", "/a", "core/a b"])
def test_locks_name_components(uses: str) -> None:
    """What a pin is for is of the form that a step uses."""
    with pytest.raises(IntegrityError):
        parse_lock(lock_of(PIN, uses), "x")


def test_pins_of_branches_are_read() -> None:
    """A pin without a tag has neither tag nor version."""
    assert str(parse_lock(lock_of({**PIN, "tag": "", "version": ""}), "x").components["core/a"]) == "c" * 12


@pytest.mark.parametrize("change", [{"pipeline": "../.."}, {"pipeline": "/x"}, {"version": "../1"}])
def test_records_of_strangers(change: dict[str, str]) -> None:
    """A record names its pipeline below the repository."""
    texts = {"kind": "pipeline", "name": "p", "version": "1.0.0", "date": "2026-01-02", "engine": "1"}
    record = {**texts, "made_with": {}, "trees": {}, "notes": ""}
    for folder in ("", ".", "pipeline", "a/b"):
        parse_record(Record, json.dumps({**record, "pipeline": folder}), "1.0.0.json")
    with pytest.raises(FindingsError):
        parse_record(Record, json.dumps({**record, **change}), "1.0.0.json")


@pytest.mark.parametrize("folder", ["..", "../x", "a/../../x", ".git"])
def test_targets_stay_in_their_repository(folder: str) -> None:
    """URL#FOLDER@VERSION names a folder of the repository."""
    with pytest.raises(UsageError):
        parse_target(f"https://h/r#{folder}@1.0.0", "/here")


@pytest.mark.parametrize(
    "text", ["--upload-pack=x", "ext::sh -c x", "-x/y", "/a\0b", "/a\x1b[2J", "file:///a\nb"]
)
def test_urls_are_no_options(text: str) -> None:
    """No git URL is an option, a program, or holds what a terminal obeys."""
    assert url_problem(text)


@pytest.mark.parametrize("text", ["-x", "--all", "a b", "a:b", "~x"])
def test_requirements_are_no_options(text: str) -> None:
    """What a pipeline asks for is never taken for an option of git."""
    with pytest.raises(ValueError, match="is not a version requirement"):
        parse_requirement(text)
