"""A new repository: of a pipeline, or of a component library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from waypost import __version__
from waypost.contracts.component import FILE as PROJECT_FILE
from waypost.contracts.component import parse_component
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.pipeline import PARAMETERS_FILE
from waypost.contracts.tag_names import PLAIN_TAG, SETTINGS
from waypost.scaffold import library, schemas, texts
from waypost.scaffold.adopting import Adopted, parameters_text, pipeline_text
from waypost.scaffold.writing import Link
from waypost.system.resolving import python_version
from waypost.texts.escaping import one_line

_LIBRARY_CHECKS = ("waypost check --run", "waypost release check-records", "waypost semver-check")
_PIPELINE_CHECKS = (
    "waypost check",
    "waypost lock --check",
    "waypost verify",
    "waypost release check-records",
    "waypost semver-check",
)
FOR_PEOPLE = ("README.md", "LICENSE", ".gitignore")
"""What hosting services put into a new repository; each does where it is there already."""
WORKFLOW, ENGINE_LOCK = ".github/workflows/check.yml", ".github/waypost.txt"


def library_repository(name: str, owner: str, lock: str, engine: str = "") -> dict[str, str | Link]:
    """Returns the files of a new library with its example components; `engine` is the lock of Waypost."""
    values = library.readme_values(name)
    return {
        "README.md": texts.filled("library/README.md", values),
        **_common(owner, _LIBRARY_CHECKS, engine),
        **library.library(lock, values),
    }


def pipeline_repository(name: str, owner: str, lock: str, engine: str = "") -> dict[str, str | Link]:
    """Returns the files of a new pipeline with a folder of its own components."""
    files, parts = _pipeline(name), library.library(lock, {}, "components/")
    contracts = {
        f"own/{each}": parse_component(str(parts[f"components/{each}/{PROJECT_FILE}"]), PROJECT_FILE)
        for each in library.EXAMPLES
    }
    files |= schemas.of_pipeline(files[PIPELINE_FILE], files[PARAMETERS_FILE], contracts)
    return {**files, **_common(owner, _PIPELINE_CHECKS, engine), **parts}


def pipeline_of(name: str, owner: str, adopted: Adopted, engine: str = "") -> dict[str, str | Link]:
    """Returns the files of a new pipeline with a step for each adopted component."""
    contracts = {f"{adopted.source}/{each}": contract for each, contract in adopted.components.items()}
    texts_ = schemas.of_pipeline(pipeline_text(name, adopted), parameters_text(adopted), contracts)
    return {**_pipeline(name), **texts_, **_common(owner, _PIPELINE_CHECKS, engine)}


def _pipeline(name: str) -> dict[str, str]:
    values = {"title": one_line(name), "name": texts.scalar(name)}
    return texts.folder("pipeline", {**values, "python": python_version(), "engine": __version__})


def _common(owner: str, checks: Sequence[str], engine: str) -> dict[str, str | Link]:
    year = str(datetime.now(UTC).year)
    return {
        ".gitignore": texts.filled("repository/gitignore", {}),
        "CHANGELOG.md": texts.filled("repository/CHANGELOG.md", {}),
        "LICENSE": texts.filled("repository/LICENSE", {"owner": owner, "year": year}),
        SETTINGS: texts.filled("repository/setup.cfg", {}),
        **({ENGINE_LOCK: engine} if engine else {}),
        WORKFLOW: _workflow(checks, is_locked=bool(engine)),
    }


def _workflow(checks: Sequence[str], *, is_locked: bool) -> str:
    commands = "\n".join(f"      - run: {check}" for check in checks)
    install = f"--require-hashes --requirement {ENGINE_LOCK}" if is_locked else f"waypost=={__version__}"
    values = {"python": python_version(), "install": install, "commands": commands}
    return texts.filled("workflow.yml", values)


def below_top(name: str, files: Mapping[str, str | Link]) -> dict[str, str | Link]:
    """Returns the files of a new product below the top of a repository: its tags have its name as a prefix,
    since tags vX.Y.Z belong to the top, and it has no workflow, since workflows run only from there.
    """
    prefix = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "product"
    settings = str(files[SETTINGS]).replace(PLAIN_TAG, f"{prefix}-{PLAIN_TAG}")
    kept = {path: text for path, text in files.items() if not path.startswith(".github/")}
    return {**kept, SETTINGS: settings}


def ignored_by_none(theirs: str) -> list[str]:
    """Returns the lines of our .gitignore that another one does not have."""
    have = {line.strip().strip("/") for line in theirs.splitlines()}
    lines = texts.filled("repository/gitignore", {}).splitlines()
    return [line for line in lines if line.strip("/") not in have]


def name_of(folder: Path) -> str:
    """Returns the name of a repository in a folder."""
    return folder.resolve().name
