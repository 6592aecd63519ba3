"""Files and folders: reading what the user wrote, digests of content."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from waypost.contracts import component, mlmodel, pipeline
from waypost.contracts.component import Component, Project, parse_component, parse_project
from waypost.contracts.environment import find_environment
from waypost.contracts.lock import environment_digest
from waypost.contracts.mlmodel import MLmodel, parse_mlmodel
from waypost.contracts.pipeline import Pipeline, parse_pipeline
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.requirements import environment_folders
from waypost.errors import Finding, FindingsError, UsageError, WaypostError, did_you_mean
from waypost.system.liveness import process_name
from waypost.texts.limits import GENERATED
from waypost.texts.scalars import Schema, core

# A signature of 100,000 columns needs less.
_MOST_MLMODEL_BYTES = 16 << 20
IN_UTF_8 = "save it as UTF-8"
_MOST_CHARACTERS = GENERATED.characters  # no reader takes more


def read_pipeline(folder: Path) -> Pipeline:
    """Reads a folder's pipeline.yaml. Raises UsageError where there is none, FindingsError."""
    file = folder / pipeline.FILE
    if not file.is_file():
        below = sorted(p.parent.name for p in folder.glob(f"*/{pipeline.FILE}"))
        hint = f"there is one in {os.path.relpath(folder / below[0])}: name that folder" if below else ""
        raise UsageError(f"{folder}: no {pipeline.FILE} here", hint=hint)
    return parse_pipeline(read_text(file), pipeline.FILE)


def components_in(root: Path) -> list[str]:
    """Returns a library's components: folders with a contract that are neither pipelines nor links."""
    folders = {file.parent for file in root.glob("*/[Mm][Ll][Pp]*") if not file.parent.is_symlink()}
    return sorted(f.name for f in folders if contract_of(f) and not (f / pipeline.FILE).is_file())


def contract_of(folder: Path) -> Path | None:
    """Returns a folder's MLproject, None where it has none."""
    if (folder / component.FILE).is_file():
        return folder / component.FILE
    name = component.contract_among(path.name for path in folder.glob("[Mm][Ll][Pp]*") if path.is_file())
    return folder / name if name else None


def read_component(root: Path, name: str, place: str, schema: Schema = core) -> Component:
    """Reads ROOT/NAME/MLproject. Raises FindingsError; a component that is not there is named."""
    if not root.is_dir():
        raise FindingsError([Finding(place, f"the folder {root} does not exist")])
    file = contract_of(root / name)
    if file is None:
        near = did_you_mean(name, components_in(root))
        raise FindingsError([Finding(place, f"no component {name!r}", near, component.MISSING)])
    return parse_component(read_text(file), f"{name}/{file.name}", schema)


def read_project(folder: Path) -> Project:
    """Reads a folder's MLproject, whose name MLflow takes in any case; an empty one where there is none.

    Raises FindingsError.
    """
    file = contract_of(folder)
    return parse_project(read_text(file), file.name) if file else Project()


def read_parameters(folder: Path) -> list[tuple[str, str]]:
    """Returns (name, text) of a folder's params.yaml, nothing where there is none."""
    file = folder / pipeline.PARAMETERS_FILE
    return [(pipeline.PARAMETERS_FILE, read_text(file))] if file.is_file() else []


def write_text(file: Path, text: str) -> bool:
    """Writes a file whole or not at all; tells whether it had another content before.

    A link stays one: what it names is written. A device or a pipe, such as /dev/stdout, is written to, never
    replaced. Raises WaypostError.
    """
    target = file.resolve() if file.is_symlink() else file
    new = target.with_name(f".{target.name}.{process_name()}-{secrets.token_hex(4)}")
    content = text.encode()
    try:
        if is_stream(file):
            file.write_bytes(content)
            return True
        if target.is_file() and target.read_bytes() == content:
            return False
        with new.open("xb") as opened:
            opened.write(content)
        new.replace(target)
    except OSError as error:
        raise WaypostError(f"{file}: cannot be written: {error}") from error
    finally:
        new.unlink(missing_ok=True)
    return True


def is_stream(file: Path) -> bool:
    """Tells whether something is there that is neither a file nor a folder, such as /dev/null or a pipe."""
    return file.exists() and not file.is_file() and not file.is_dir()


def read_python_env(folder: Path, contract: Project) -> PythonEnv:
    """Reads what a component asks to be installed, nothing where it says nothing. Raises FindingsError."""

    def text_of(name: str) -> str | None:
        return read_text(folder / name) if (folder / name).is_file() else None

    return find_environment(contract, text_of, folder.name, f"{folder.name}/{component.FILE}")


def requirements_digest(folder: Path, contract: Component) -> str:
    """Returns the digest of what a component in a folder asks to be installed."""
    python_env = read_python_env(folder, contract)
    return environment_digest(python_env, read_requirements(folder, python_env))


def read_requirements(folder: Path, python_env: PythonEnv) -> dict[str, str]:
    """Returns the texts of the files that a component's python_env.yaml names."""
    return {name: read_text(folder / name) for name in python_env.requirement_files}


def read_environment_folders(folder: Path, contract: Component) -> frozenset[str]:
    """Returns the shared folders beside a component that hold nothing but what is installed for it."""
    root = folder.resolve().parent
    files = (folder / name for name in read_python_env(folder, contract).requirement_files)
    paths = {os.path.relpath(file.resolve(), root) for file in files}
    places = {name: root / name for name in contract.shared if (root / name).is_dir()}
    contents = {name: [path.name for path in place.iterdir()] for name, place in places.items()}
    return environment_folders(contents, paths)


def read_mlmodel(folder: Path) -> MLmodel:
    """Reads a folder's MLmodel. Raises UsageError where it cannot be read, FindingsError."""
    return parse_mlmodel(mlmodel_text(folder), str(folder / mlmodel.FILE))


def mlmodel_text(folder: Path) -> str:
    """Returns the text of a folder's MLmodel. Raises UsageError where it cannot be read, or is too large."""
    file = folder / mlmodel.FILE
    if not file.is_file():
        raise UsageError(f"{folder}: no MLflow model here", hint="a model is a folder with a file MLmodel")
    if file.stat().st_size > _MOST_MLMODEL_BYTES:
        raise UsageError(f"{file}: larger than {_MOST_MLMODEL_BYTES:,} bytes: no MLflow model")
    return read_text(file)


def read_text(file: Path) -> str:
    """Returns a file's text. Raises UsageError where it cannot be read, or is too large to be looked at."""
    try:
        with file.open(encoding="utf-8") as source:
            text = source.read(_MOST_CHARACTERS + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        problem = f"{file}: cannot be read: it is not in UTF-8, byte {byte:#04x}"
        raise UsageError(problem, hint=IN_UTF_8) from error
    if len(text) > _MOST_CHARACTERS:
        raise UsageError(f"{file}: more than {_MOST_CHARACTERS:,} characters")
    return text


# MLflow writes it into a model's folder when it loads the model by its registered name.
_NOT_CONTENT = "registered_model_meta"


def content_digest(path: Path) -> str:
    """Returns the sha256 (hex) of a file, or of the names and digests of a folder's files.

    Raises UsageError where one cannot be read, or has a line break in its name: it would pass for two.
    """
    if not path.is_dir():
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error}") from error
    names = {each.relative_to(path).as_posix(): each for each in content_files(path)}
    if broken := [name for name in names if "\n" in name]:
        raise UsageError(f"{path}: a file's name has a line break: {broken[0]!r}")
    listing = "".join(f"{content_digest(file)}  {name}\n" for name, file in names.items())
    return hashlib.sha256(os.fsencode(listing)).hexdigest()


def content_files(folder: Path) -> list[Path]:
    """Returns the files of a folder that make its content, sorted."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != _NOT_CONTENT)
