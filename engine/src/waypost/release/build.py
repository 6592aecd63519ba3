"""The check that a package can be built from what is committed, with the right metadata."""

from __future__ import annotations

import sys
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

from packaging.version import Version

from waypost.errors import WaypostError
from waypost.release.product import Product
from waypost.sources import git
from waypost.sources.waiting import Notify
from waypost.system.process import ProcessError
from waypost.system.uv import uv

_MOST = 500  # characters of what the build said; the cause stands near its end


def check_build(
    repository: Path, product: Product, version: str, temp: Path, notify: Notify, *, offline: bool
) -> None:
    """Builds the wheel of a package from a repository's HEAD, in a copy below `temp`.

    Build dependencies come from the index that uv is configured for; `offline` skips the build.
    Raises WaypostError if the build fails, or gives another name or version.
    """
    if offline:
        notify("offline: the wheel is not built")
        return
    notify("building the wheel")
    source, target = temp / "source", temp / "dist"
    git.git(repository, "clone", "--quiet", "--shared", "--no-tags", str(repository), str(source))
    wheel = ["--wheel", "--python", sys.executable, "--out-dir", str(target)]
    try:
        uv("build", *wheel, str(source / product.prefix))
    except ProcessError as error:
        words = " ".join(error.stderr.split())[-_MOST:]
        hint = "try it: uv build; without an index: --offline, which does not build it"
        raise WaypostError(f"nothing was released: the wheel cannot be built: {words}", hint=hint) from error
    for built in target.glob("*.whl"):
        found = _metadata(built)
        if found["Version"] is None or Version(found["Version"]) != Version(version):
            raise WaypostError(
                f"nothing was released: {built.name} says version {found['Version']}, not {version}"
            )


def build_package(source: Product, folder: Path) -> None:
    """Builds sdist and wheel of a package, and writes them into a folder. Raises WaypostError."""
    command = ["build", "--python", sys.executable, "--out-dir", str(folder)]
    try:
        uv(*command, str(source.folder))
    except ProcessError as error:
        words = " ".join(error.stderr.split())[-_MOST:]
        raise WaypostError(f"the package cannot be built: {words}", hint="try it: uv build") from error
    (folder / ".gitignore").unlink(missing_ok=True)  # uv hides what it builds from git


def _metadata(wheel: Path) -> dict[str, str | None]:
    """Returns name and version from the metadata of a wheel."""
    with ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1]
        headers = HeaderParser().parsestr(archive.read(name).decode())
    return {key: headers[key] for key in ("Name", "Version")}
