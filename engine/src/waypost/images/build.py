"""The build folder of a model's image."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from waypost import __version__
from waypost.errors import UsageError
from waypost.images.folder import Content, Manifest, check_free, write
from waypost.images.identity import Identity
from waypost.images.locked import engine_lock, installer_lock, locked, model_packages
from waypost.images.texts import Image, texts
from waypost.images.wheel import engine_wheel, walk_wheel
from waypost.inference.fetching import FetchedModel, fetched_model
from waypost.inference.model_cache import CachedForm, kept
from waypost.sources.files import content_digest, content_files, read_mlmodel, read_text
from waypost.system.scratch import scratch

Notify = Callable[[str], None]


@dataclass(frozen=True)
class ImageRequest:
    """The model, and the folder to write; `overwrite` replaces an earlier build folder."""

    uri: str
    folder: Path
    is_trusted: bool
    overwrite: bool


def build(request: ImageRequest, notify: Notify, warn: Notify) -> Manifest:
    """Checks, compiles and compares a model as `serve` does, and writes its build folder.

    Raises UsageError if the folder holds anything else, WaypostError if there is no such model.
    """
    folder = request.folder.resolve()
    check_free(folder, overwrite=request.overwrite)
    with scratch() as temp, fetched_model(
        request.uri, temp / "model.state", is_trusted=request.is_trusted, say=notify
    ) as fetched:  # fmt: skip
        files, manifest = _content(fetched, kept(fetched.digest), warn)
        check_free(folder, overwrite=request.overwrite)  # fetching a model may take long
        write(folder, files, manifest)
    return manifest


def _content(fetched: FetchedModel, form: CachedForm, warn: Notify) -> tuple[dict[str, Content], Manifest]:
    """Returns the files by path, and their manifest."""
    model = identity_of(fetched)
    answers = "the compiled form" if form.proof.is_equal else "the original"
    name, wheel = engine_wheel()
    walk = walk_wheel()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = _lock(fetched, form, warn)
    image = Image(model, __version__, python, name, answers, fetched.is_trusted, walk[0] if walk else "")
    files: dict[str, Content] = {
        **texts(image),
        name: wheel,
        **(dict([walk]) if walk else {}),
        "requirements.txt": lock.encode(),
        "uv.txt": installer_lock(lock).encode(),
        **{f"compiled/{form.place.name}/{file.name}": file for file in sorted(form.place.iterdir())},
        **{f"model/{path}": file for path, file in model_files(fetched.folder).items()},
    }
    manifest = Manifest(
        engine=__version__,
        python=python,
        model=model,
        is_compiled=form.proof.is_equal,
        is_trusted=fetched.is_trusted,
        files={path: _digest(files[path]) for path in sorted(files)},
    )
    return files, manifest


def identity_of(fetched: FetchedModel) -> Identity:
    """Returns the identity of a model; an unregistered one is named after its folder or artifact."""
    return Identity(
        label=fetched.label,
        name=fetched.name or fetched.uri.rstrip("/").rpartition("/")[2],
        version=fetched.version,
        run=fetched.run_id or read_mlmodel(fetched.folder).run_id or "",
        release=fetched.release,
        digest=fetched.digest,
    )


def _lock(fetched: FetchedModel, form: CachedForm, warn: Notify) -> str:
    lock = engine_lock()
    file = fetched.folder / "requirements.txt"
    proved = form.proof.versions if form.proof.is_equal else {}
    text = read_text(file) if file.is_file() else ""
    wanted = model_packages(text, lock, proved, is_trusted=fetched.is_trusted)
    if wanted.left_out:
        warn(f"left out, because the model is not trusted: {', '.join(wanted.left_out)}")
    return locked(wanted, lock, is_trusted=fetched.is_trusted)


def model_files(folder: Path) -> dict[str, Path]:
    """Returns a model's files by path. Raises UsageError for a link that leads out of its folder."""
    found = {}
    for file in content_files(folder):
        path = file.relative_to(folder).as_posix()
        if not file.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{folder}: {path} is a link out of the model's folder, which images do not support"
            )
        found[path] = file
    return found


def _digest(content: Content) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else content_digest(content)
