"""Fetching, checking and compiling a model in a separate process: MLflow and scikit-learn are large, and the
process that serves or scores stays small; a model that crashes its loader crashes nothing else. For an alias
the process keeps running, and reports when the alias moves.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from waypost.contracts.mlmodel import MLmodel, parse_mlmodel
from waypost.errors import UsageError, WaypostError
from waypost.inference.environment import built
from waypost.inference.loading import TRUST_HINT
from waypost.inference.model_cache import compiled_before, proved
from waypost.inference.probes import ColumnValues
from waypost.sources.files import (
    content_digest,
    content_files,
    mlmodel_text,
    read_mlmodel,
    read_text,
    write_text,
)
from waypost.sources.refusals import of_system
from waypost.system.children import Background
from waypost.system.machine import bounded
from waypost.tracking.databases import LISTENER, listening
from waypost.tracking.models import Found, find, follows_alias, is_local, mlmodel_of

_LOOK_SECONDS = 0.05
_SAYS = ".mlmodel"  # suffix of the file with the model's MLmodel
_WAITS = ".waits"  # suffix of the file with the lines on what the process waits for
# Minimal timeout of a check; longer for a large model.
_CHECK_SECONDS, _BYTES_PER_SECOND = 300, 1 << 20


Look = Callable[[MLmodel], None]


class FetchedModel(BaseModel):
    """A model on this machine, compiled or found not to be compilable."""

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
    card: str = ""
    environment: str = ""
    """The digest of the model's own environment, if it is to run there."""


class FetchOptions(BaseModel):
    """The options of fetching a model."""

    is_trusted: bool
    in_own: bool
    rows: ColumnValues | None


class _Failed(BaseModel):
    message: str
    hint: str = ""
    exit_code: int = 1


class State(BaseModel):
    """The state of the process: the model, and why the latest look at the registry failed, if it did.
    `refused` is the model that failed its check: it is not checked again.
    """

    fetched: FetchedModel | None = None
    failed: _Failed | None = None
    refused: str = ""

    def result(self) -> FetchedModel:
        """Returns the model. Raises WaypostError if there is none."""
        if self.fetched:
            return self.fetched
        failed = self.failed or _Failed(message="the process that checks the model ended without an answer")
        error = WaypostError(failed.message, hint=failed.hint)
        error.exit_code = failed.exit_code
        raise error


def _fetched(found: Found, digest: str, environment: str = "", *, is_trusted: bool) -> FetchedModel:
    return FetchedModel(
        uri=found.uri,
        label=found.label,
        folder=found.folder,
        digest=digest,
        name=found.name,
        version=found.version,
        run_id=found.run_id,
        release=found.tags.get("waypost.release", ""),
        is_trusted=is_trusted,
        card=found.card,
        environment=environment,
    )


@contextlib.contextmanager
def fetched_model(
    uri: str,
    state: Path,
    *,
    is_trusted: bool = False,
    in_own: bool = False,
    every: float | None = None,
    rows: ColumnValues | None = None,
    say: Callable[[str], None] = lambda _: None,
    look: Look | None = None,
) -> Iterator[FetchedModel]:
    """Yields a model; `state` is a file with the current model from then on.

    Args: `in_own`: run it in its own environment, built if needed; `every`: seconds between lookups of an
    alias within the context (None: never); `rows`: real rows to compare the model's forms on, in addition to
    its own; `look` receives the MLmodel before the model is fetched and compiled, and may refuse it. Raises
    WaypostError.
    """
    if in_own and not is_trusted:
        problem = "--env model: installing and loading the model's packages may run arbitrary code"
        raise UsageError(problem, hint=TRUST_HINT)
    if is_local(uri) and not in_own:
        found = find(uri)
        if look:
            look(read_mlmodel(found.folder))
        digest = content_digest(found.folder)
        if compiled_before(digest, rows):
            fetched = _fetched(found, digest, is_trusted=is_trusted)
            _write(state, State(fetched=fetched))
            yield fetched
            return
    task = "building its environment" if in_own else "compiling it"
    say(f"{uri}: fetching the model, and {task} if needed")
    given = state.with_suffix(".rows")
    given.write_text(json.dumps(rows), encoding="utf-8")
    again = every if every and follows_alias(uri) else 0
    command = [sys.executable, "-m", "waypost.inference.fetching"]
    arguments = [str(state), uri, str(int(is_trusted)), str(int(in_own)), str(again), str(given)]
    process = Background([*command, *arguments], state.with_suffix(".out"))
    heard = 0
    mlmodel = state.with_suffix(_SAYS)
    try:
        while not state.exists() and process.result() is None:
            heard = _passed_on(state.with_suffix(_WAITS), heard)
            look = _looked(look, mlmodel, uri)
            time.sleep(_LOOK_SECONDS)
        _looked(look, mlmodel, uri)
        yield (read_state(state) if state.exists() else _ended(uri, process.ended_by())).result()
    finally:
        process.end()


def _looked(look: Look | None, mlmodel: Path, uri: str) -> Look | None:
    """Passes the MLmodel to `look` once it exists; returns `look` until then, None afterwards."""
    if look is None or not mlmodel.exists():
        return look
    look(parse_mlmodel(read_text(mlmodel), f"{uri}: MLmodel"))
    return None


def _passed_on(waits: Path, heard: int) -> int:
    """Reports new lines on what the process waits for; returns the number of lines."""
    lines = waits.read_text(encoding="utf-8").splitlines() if waits.exists() else []
    for line in lines[heard:]:
        LISTENER.get()(line)
    return len(lines)


def _append(waits: Path, text: str) -> None:
    with waits.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _ended(uri: str, by: signal.Signals | None) -> State:
    """Returns the state for a model that ended the process that checked it."""
    if by is None:
        return State()
    options = "took too long" if by is signal.SIGALRM else f"ended by {by.name}"
    return State(failed=_Failed(message=f"{uri}: the model is refused: its check {options}"))


def read_state(file: Path) -> State:
    """Returns the latest state of the process."""
    return State.model_validate_json(read_text(file))


def _write(file: Path, state: State) -> None:
    write_text(file, state.model_dump_json())


def main(state_file: str, uri: str, is_trusted: str, in_own: str, every: str, rows: str) -> None:
    """Fetches a model and writes the state to a file; with `every` above 0, repeatedly."""
    file, seconds = Path(state_file), float(every)
    given: ColumnValues | None = json.loads(Path(rows).read_text(encoding="utf-8"))
    options = FetchOptions(is_trusted=is_trusted == "1", in_own=in_own == "1", rows=given)
    hear = partial(write_text, file.with_suffix(_SAYS))
    with listening(partial(_append, file.with_suffix(_WAITS))):
        state = _attempted(partial(_first, uri, options, hear), State())
    _write(file, state)
    while seconds and state.fetched:
        time.sleep(seconds)
        state = _attempted(partial(_next, uri, options, state, file.parent), state)
        _write(file, state)


def _attempted(look: Callable[[], State], before: State) -> State:
    """Returns the new state; if the lookup fails, the previous model and the problem."""
    try:
        return look()
    except WaypostError as error:
        failed = _Failed(message=str(error), hint=error.hint, exit_code=error.exit_code)
    except OSError as error:  # a full disk, a file that cannot be read: no bug, so no stack trace
        refused = of_system(error)
        failed = _Failed(message=str(refused), hint=refused.hint)
    except Exception:  # a bug: the process that waits for the file must learn of it
        failed = _Failed(message=traceback.format_exc())
    return State(fetched=before.fetched, failed=failed)


def _first(uri: str, options: FetchOptions, hear: Callable[[str], object]) -> State:
    """Returns the model of a URI; `hear` receives its MLmodel before its other files are fetched."""
    text = "" if is_local(uri) else mlmodel_of(uri)
    if text:
        hear(text)
    found = find(uri)
    if not text:
        hear(mlmodel_text(found.folder))
    if options.in_own:
        environment = built(found.folder, read_mlmodel(found.folder), LISTENER.get())
        digest = content_digest(found.folder)
        return State(fetched=_fetched(found, digest, environment.digest, is_trusted=options.is_trusted))
    size = sum(file.stat().st_size for file in content_files(found.folder))
    with (
        contextlib.nullcontext() if options.is_trusted else bounded(_CHECK_SECONDS + size / _BYTES_PER_SECOND)
    ):
        proved_model = proved(found.folder, is_trusted=options.is_trusted, rows=options.rows)
    return State(fetched=_fetched(found, proved_model.digest, is_trusted=options.is_trusted))


def _next(uri: str, options: FetchOptions, before: State, place: Path) -> State:
    """Returns the current model. A new one is checked by another process: this one keeps running."""
    found = find(uri)
    known = before.fetched
    if known and (found.label, found.folder) == (known.label, known.folder):
        return State(fetched=known)
    name = f"{found.label} {found.folder}"
    if name == before.refused:
        return before
    try:
        with (
            tempfile.TemporaryDirectory(dir=place) as temp,
            fetched_model(
                str(found.folder),
                Path(temp, "model.state"),
                is_trusted=options.is_trusted,
                in_own=options.in_own,
            ) as checked,
        ):
            fetched = _fetched(found, checked.digest, checked.environment, is_trusted=options.is_trusted)
            return State(fetched=fetched)
    except WaypostError as error:
        failed = _Failed(message=str(error), hint=error.hint, exit_code=error.exit_code)
        return State(fetched=known, failed=failed, refused=name)


if __name__ == "__main__":
    main(*sys.argv[1:])
