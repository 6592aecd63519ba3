"""A model is brought here and compiled by a process of its own: MLflow and scikit-learn are large, and
what serves or scores stays small. For an alias that process goes on, and tells when it moves.
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from waypost.deploy.models import compiled_before, ready
from waypost.errors import WaypostError
from waypost.sources.files import content_digest, read_text, write_text
from waypost.sources.process import Background
from waypost.tracking.models import Found, find, follows_alias, is_local

_LOOK_SECONDS = 0.05


class Brought(BaseModel):
    """A model on this machine, compiled or proved not to be compilable."""

    model_config = ConfigDict(frozen=True)

    uri: str
    label: str
    folder: Path
    digest: str
    name: str = ""
    version: str = ""
    run_id: str = ""
    release: str = ""
    is_trusted: bool = False


class _Failed(BaseModel):
    message: str
    hint: str = ""
    exit_code: int = 1


class State(BaseModel):
    """What the process says: the model, and why the newest look at the registry failed, if it did."""

    brought: Brought | None = None
    failed: _Failed | None = None

    def result(self) -> Brought:
        """Returns the model. Raises WaypostError where there is none."""
        if self.brought:
            return self.brought
        failed = self.failed or _Failed(message="the process that brings the model ended without a word")
        error = WaypostError(failed.message, hint=failed.hint)
        error.exit_code = failed.exit_code
        raise error


def _brought(found: Found, digest: str, *, is_trusted: bool) -> Brought:
    return Brought(
        uri=found.uri,
        label=found.label,
        folder=found.folder,
        digest=digest,
        name=found.name,
        version=found.version,
        run_id=found.run_id,
        release=found.tags.get("waypost.release", ""),
        is_trusted=is_trusted,
    )


@contextlib.contextmanager
def bringing(
    uri: str,
    state: Path,
    *,
    is_trusted: bool = False,
    every: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Brought]:
    """Gives a model; `state` is a file that says which it is from then on.

    Args: `every` so many seconds an alias is looked up anew while the context lasts (None: never).
    Raises WaypostError.
    """
    if is_local(uri):
        found = find(uri)
        digest = content_digest(found.folder)
        if compiled_before(digest):
            brought = _brought(found, digest, is_trusted=is_trusted)
            _write(state, State(brought=brought))
            yield brought
            return
    say(f"{uri}: bringing the model here and compiling it where it is not")
    command = [sys.executable, "-m", "waypost.deploy.bringing", str(state), uri, str(int(is_trusted))]
    again = str(every) if every and follows_alias(uri) else "0"
    process = Background([*command, again], state.with_suffix(".out"))
    try:
        while not state.exists() and process.result() is None:
            time.sleep(_LOOK_SECONDS)
        yield (read_state(state) if state.exists() else State()).result()
    finally:
        process.end()


def read_state(file: Path) -> State:
    """Returns what the process said last."""
    return State.model_validate_json(read_text(file))


def _write(file: Path, state: State) -> None:
    write_text(file, state.model_dump_json())


def main(state: str, uri: str, is_trusted: str, every: str) -> None:
    """Brings a model and says so in a file; with `every` above 0 seconds again and again."""
    file, seconds = Path(state), float(every)
    said = _looked(uri, None, is_trusted=is_trusted == "1")
    _write(file, said)
    while seconds and said.brought:
        time.sleep(seconds)
        said = _looked(uri, said.brought, is_trusted=is_trusted == "1")
        _write(file, said)


def _looked(uri: str, known: Brought | None, *, is_trusted: bool) -> State:
    """Returns the model of now; the known one, and what is wrong, where the look fails."""
    try:
        found = find(uri)
        if known and (found.label, found.folder) == (known.label, known.folder):
            return State(brought=known)
        made = ready(found.folder, is_trusted=is_trusted)
        return State(brought=_brought(found, made.digest, is_trusted=is_trusted))
    except WaypostError as error:
        failed = _Failed(message=str(error), hint=error.hint, exit_code=error.exit_code)
    except Exception:  # a bug: whoever waits for the file must hear of it
        failed = _Failed(message=traceback.format_exc())
    return State(brought=known, failed=failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
