"""The engine as a wheel, built from the files that run here: those that compiled and proved the model.

Installations from an index, a file and a work tree give the same wheel, and no build tool is needed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from waypost.errors import WaypostError

_PACKAGE, _WALK = "waypost", "waypost_walk"
_ROOT = Path(__file__).parents[1]
_ABOUT = ("METADATA", "WHEEL", "entry_points.txt", "top_level.txt")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can represent


def engine_wheel() -> tuple[str, bytes]:
    """Returns the name and the content of the wheel, the same bytes for the same files.

    Raises WaypostError if the engine is not installed.
    """
    try:
        found = metadata.distribution(_PACKAGE)
    except metadata.PackageNotFoundError as error:
        hint = "install it, at least as editable: pip install --editable engine"
        raise WaypostError("the engine is not installed, so there is no wheel of it", hint=hint) from error
    files = {f"{_PACKAGE}/{path.relative_to(_ROOT).as_posix()}": path.read_bytes() for path in _sources()}
    for path in found.files or ():
        if "licenses" in path.parts and path.parts[0] == f"{_PACKAGE}-{found.version}.dist-info":
            files[path.as_posix()] = path.read_binary()
    return _wheel(_PACKAGE, found, files)


def walk_wheel() -> tuple[str, bytes] | None:
    """Returns the same for the extension that evaluates trees, or None if it is not installed or not for
    Linux.
    """
    try:
        found = metadata.distribution(_WALK.replace("_", "-"))
    except metadata.PackageNotFoundError:
        return None
    modules = [path for path in found.files or () if path.match(f"{_WALK}.*so")]
    if not modules or "linux" not in _tag(found):
        return None
    return _wheel(_WALK, found, {path.name: path.read_binary() for path in modules})


def _wheel(name: str, found: metadata.Distribution, content: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Returns the name and the content of a wheel with some files, and its metadata."""
    stem = f"{name}-{found.version}"
    about = f"{stem}.dist-info"
    files = dict(content)
    files |= {f"{about}/{file}": text.encode() for file in _ABOUT if (text := found.read_text(file))}
    files[f"{about}/RECORD"] = _record(files, f"{about}/RECORD")
    return f"{stem}-{_tag(found)}.whl", _zipped(files)


def _sources() -> list[Path]:
    return sorted(p for p in _ROOT.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _tag(found: metadata.Distribution) -> str:
    """Returns the platform tag of the installed wheel, as in its file name."""
    lines = (found.read_text("WHEEL") or "").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("Tag: ")), "py3-none-any")


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    lines = [f"{name},sha256={_hash(content)},{len(content)}" for name, content in sorted(files.items())]
    return "".join(f"{line}\n" for line in [*lines, f"{own},,"]).encode()


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """Returns an uncompressed archive: zlib's output differs between its versions."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files, key=lambda name: (".dist-info/" in name, name)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return target.getvalue()
