"""A new component library, and a new component in one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from waypost.contracts import kit
from waypost.contracts.component import FILE, parse_component
from waypost.contracts.readme import with_tables
from waypost.errors import UsageError
from waypost.interfaces.record import FOLDER as RECORDS
from waypost.scaffold import schemas, texts
from waypost.scaffold.environment import LOCK, SOURCE, lock_command
from waypost.scaffold.writing import Link, Program
from waypost.sources.files import components_in, read_text
from waypost.sources.snapshots import content_of
from waypost.texts.escaping import one_line

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ENVIRONMENT = "environment"
EXAMPLES = ("load", "train")
TEMPLATES = {"python": "component", "shell": "shell"}  # by the language of a new component


def check_name(name: str) -> None:
    """Raises UsageError for a name that cannot be a folder, a module and a component's name alike, and for
    the names of a library's own folders.
    """
    if name in (_ENVIRONMENT, kit.FOLDER, RECORDS):
        raise UsageError(f"{name!r} is a folder of every library", hint="give the component another name")
    if not _NAME.fullmatch(name):
        near = re.sub("[^a-z0-9_]+", "_", name.lower()).lstrip("_0123456789").rstrip("_")
        raise UsageError(
            f"{name!r} is no name of a component: small letters, digits and _, a letter first",
            hint=f"such as {near or 'clean'}",
        )


def check_new(folder: Path) -> None:
    """Raises UsageError where the folder of a new component is taken, also by a file or a link."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()) or any(folder.glob("*")):
        raise UsageError(f"{folder}: is there already; nothing was written", hint="another name")


def library(lock: str, values: Mapping[str, str], below: str = "") -> dict[str, str | Link]:
    """Returns the files of the components' folder: their environment, and the components of the example."""
    requirements = texts.filled(f"library/{_ENVIRONMENT}/{SOURCE}", values)
    files: dict[str, str | Link] = {
        f"{below}{_ENVIRONMENT}/{SOURCE}": requirements,
        f"{below}{_ENVIRONMENT}/{LOCK}": lock,
        f"{below}pyproject.toml": texts.filled("library/pyproject.toml", values),
    }
    files |= kit_files(below) | schemas.of_contracts(below)
    for name in EXAMPLES:
        files |= component(name, name, below)
    return files


def kit_files(below: str = "") -> dict[str, str]:
    """Returns the files of the newest kit, which is shared by the components of a library."""
    return {f"{below}{kit.FOLDER}/{name}": text for name, text in texts.raw_folder("kit").items()}


def kit_in(root: Path) -> dict[str, str]:
    """Returns the texts of a library's kit by path, {} if it has no kit.

    Raises UsageError for a file that is not text.
    """
    files = content_of(root, [kit.FOLDER])[kit.FOLDER]
    return {file.relative_to(root / kit.FOLDER).as_posix(): read_text(file) for file in files}


def kit_update(root: Path) -> tuple[str, str, dict[str, str | None]]:
    """Returns (version of a library's kit, newest version, files to write: text by path, None to remove one).

    Raises UsageError if its kit was edited, or is a folder of the same name that is not a kit.
    """
    there = kit_in(root)
    version = kit.kit_version(there)
    problem, hint = kit.kit_problem(there)
    if there and not version:
        problem, hint = "it is none of Waypost's", "give it another name first"
    if problem:
        raise UsageError(f"{root / kit.FOLDER}: {problem}", hint=hint)
    old = dict.fromkeys(f"{kit.FOLDER}/{name}" for name in there)
    return version, kit.NEWEST, {} if version == kit.NEWEST else {**old, **kit_files()}


def component(name: str, template: str = TEMPLATES["python"], below: str = "") -> dict[str, str | Link]:
    """Returns the files of a component made from a template."""
    check_name(name)
    values = {"name": name, "module": name, "contract": ""}
    files: dict[str, str | Link] = {**texts.folder(template, values, f"{below}{name}/")}
    files[f"{below}{name}/python_env.yaml"] = texts.filled("component/python_env.yaml", {})
    files[f"{below}{name}/{LOCK}"] = Link(f"../{_ENVIRONMENT}/{LOCK}")
    contract = parse_component(str(files[f"{below}{name}/{FILE}"]), FILE)
    readme = str(files[f"{below}{name}/README.md"])
    files[f"{below}{name}/README.md"] = with_tables(readme, contract.entry_points["main"])
    return files


def new_component(root: Path, name: str, language: str = "python") -> dict[str, str | Link]:
    """Returns the files of a new component of the library `root`.

    Raises UsageError if the library has no environment for the component to share.
    """
    if not (root / _ENVIRONMENT / LOCK).is_file():
        raise UsageError(
            f"{root.resolve()}: no {_ENVIRONMENT}/{LOCK} here, which a new component shares",
            hint="--library FOLDER names one, `waypost init library` makes one; --like COMPONENT needs none",
        )
    files = component(name, TEMPLATES[language])
    check_new(root / name)
    files |= {path: text for path, text in schemas.of_contracts().items() if not (root / path).exists()}
    if language != "python":
        return files
    there = kit_in(root)
    if there and not kit.kit_version(there):
        hint = "--like COMPONENT copies one of the library, --language shell needs no kit"
        raise UsageError(
            f"{root / kit.FOLDER}: it is none of Waypost's, which a new component uses", hint=hint
        )
    return files if there else {**files, **kit_files()}


def requirements_in() -> str:
    """Returns the requirements of a new environment."""
    return texts.filled(f"library/{_ENVIRONMENT}/{SOURCE}", {})


def readme_values(name: str) -> dict[str, str]:
    """Returns the values of the template of a library's README."""
    return {"name": one_line(name), "lock_command": lock_command(_ENVIRONMENT)}


def copy_of(root: Path, like: str, name: str) -> dict[str, str | Link]:
    """Returns the files of a component of the library `root`, under another name.

    Raises UsageError if there is no such component, or if one of its files is not text.
    """
    check_name(name)
    check_new(root / name)
    there = components_in(root)
    if like not in there:
        raise UsageError(f"no component {like!r} in {root}", hint=f"there are: {', '.join(there) or 'none'}")
    files: dict[str, str | Link] = {}
    for path in content_of(root, [like])[like]:
        target = f"{name}/{path.relative_to(root / like).as_posix()}"
        if path.is_symlink():
            files[target] = Link(str(path.readlink()))
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{path} is not a text", hint="copy the folder by hand") from None
        renamed = _renamed(text, path.name, like, name)
        files[target] = Program(renamed) if os.access(path, os.X_OK) else renamed
    return files


def _renamed(text: str, file: str, old: str, new: str) -> str:
    """Returns the text of a copied file, with the component's new name in contract and README."""
    if file == FILE:
        return re.sub(rf"^name:\s*[\"']?{re.escape(old)}[\"']?\s*$", f"name: {new}", text, flags=re.MULTILINE)
    if file == "README.md":
        text = re.sub(rf"^# {re.escape(old)}$", f"# {new}", text, count=1, flags=re.MULTILINE)
        return text.replace(f"mlflow run {old} ", f"mlflow run {new} ")
    return text
