"""Pull requests that update pins and locks, prepared as a delivery by a job without write permission."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from waypost.ci import texts
from waypost.ci.branches import commit_ours, theirs
from waypost.ci.delivery import Delivery, write_delivery
from waypost.ci.hosting import host_of
from waypost.ci.runs import executed, tracked
from waypost.contracts.lock import FILE, lock_text
from waypost.contracts.tag_names import product_around
from waypost.errors import IntegrityError, RemoteError, UsageError, WaypostError
from waypost.interfaces.record import RunRecord
from waypost.pins import updating
from waypost.pins.verdict import UNREACHABLE
from waypost.pins.verify import verify
from waypost.pins.workspace import Workspace, fresh_lock, open_workspace, required_lock
from waypost.release.cut import clone_of
from waypost.runs.events import Reporter
from waypost.sources import git
from waypost.sources.files import read_text, write_text
from waypost.system.process import ProcessError, output_of
from waypost.system.scratch import scratch

PINS, LOCKS = "waypost/update-pins", "waypost/update-locks"


@dataclass(frozen=True)
class Prepared:
    """A proposed update; `delivery` is None if there is nothing to propose, for the reason in `why`.

    `is_sound` tells whether everything can move and the pipeline runs with it.
    """

    why: str
    delivery: Delivery | None = None
    is_sound: bool = True


def update_pins(folder: Path, place: Path, branch: str, reporter: Reporter, *, env: str) -> Prepared:
    """Prepares the pull request that moves a pipeline's pins to the newest allowed releases.

    Raises UsageError, RemoteError if a remote does not answer, IntegrityError if one contradicts what is
    locked or known: neither means that something is newer.
    """
    workspace = open_workspace(folder, reporter.say)
    old = required_lock(workspace, fresh_lock(workspace))
    _require_sound(workspace)
    found = updating.plan_update(workspace, old)
    is_sound = not any(move.state == "refused" for move in found.moves)
    if not any(move.goes for move in found.moves):
        return Prepared("nothing relevant is newer", is_sound=is_sound)
    top = git.top_of(folder)
    if top is None:
        raise UsageError(f"{folder} is in no git repository")
    text, path = lock_text(found.lock), (folder.resolve() / FILE).relative_to(top.resolve()).as_posix()
    product = _product_of(top, posixpath.dirname(path))
    source = f"{PINS}-{product}" if product else PINS
    if _says(top, source, path, text):
        return Prepared(f"{source} says the same already, and its pull request is open")
    place = place.absolute()
    with scratch() as temp, tracked(temp):
        clone = _cloned(top, temp)
        before, _ = _run(clone / path, reporter, env=env)
        write_text(clone / path, text)
        after, problem = _run(clone / path, reporter, env=env)
        body = texts.update_body(found, before, after, problem)
        title = f"Update components of {product}" if product else "Update components"
        delivery = _delivered(clone, place, source, branch, title, body)
    return Prepared("something is newer", delivery, is_sound and not problem)


def _require_sound(workspace: Workspace) -> None:
    """Raises IntegrityError if locked content has changed, RemoteError if that is unknown. A yanked version
    is a reason to update.
    """
    found = [finding for finding in verify(workspace, here=False).findings if finding.category != "yanked"]
    if wrong := [finding for finding in found if finding.category != UNREACHABLE]:
        raise IntegrityError(wrong, consequence="no pin was moved")
    if found:
        raise RemoteError(str(found[0]))


def update_locks(top: Path, place: Path, branch: str, command: str) -> Prepared:
    """Prepares the pull request with the changes that a command makes in a repository, such as updated locks.

    Raises WaypostError with the command's message.
    """
    with scratch() as temp:
        clone = _cloned(top, temp)
        try:
            output_of(["bash", "-euo", "pipefail", "-c", command], cwd=clone, env=dict(os.environ))
        except ProcessError as error:
            raise WaypostError(f"{command}: {' '.join(error.stderr.split())[-500:]}") from error
        git.git(clone, "add", "--all")
        names = git.git(clone, "diff", "--cached", "--name-only", "-z").split("\0")
        changed = {name: (_at_head(clone, name), _here(clone / name)) for name in names if name}
        if not changed:
            return Prepared("nothing is newer")
        body = texts.locks_body({n: sides for n, sides in changed.items() if n.endswith(".txt")})
        return Prepared("something is newer", _delivered(clone, place, LOCKS, branch, "Update locks", body))


def _product_of(top: Path, folder: str) -> str:
    """Returns what the tags of a pipeline in a folder begin with, in letters of a branch; empty where those
    of the top count: pipelines with tags of their own have pull requests of their own.
    """

    def text_of(path: str) -> str | None:
        return read_text(top / path) if (top / path).is_file() else None

    prefix = product_around(folder, text_of)[1]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", prefix.removesuffix("v")).strip("-")


def _says(top: Path, source: str, path: str, text: str) -> bool:
    """Tells whether a branch of origin has this text and, on a service with pull requests, an open one."""
    url = git.origin_of(top)
    commit = theirs(top, url, source) if git.has_origin(top) else ""
    if not commit or _at(top, commit, path) != text:
        return False
    host = host_of(url)
    return host is None or bool(host.pull_request(source))


def _cloned(top: Path, temp: Path) -> Path:
    clone = clone_of(top, temp)
    git.git(clone, "remote", "set-url", "origin", git.origin_of(top))
    return clone


def _run(lock: Path, reporter: Reporter, *, env: str) -> tuple[RunRecord | None, str]:
    """Executes the pipeline in a lock's folder; returns the record of its results, or the problem."""
    try:
        return executed(
            open_workspace(lock.parent, reporter.say, on_warning=reporter.warn), reporter, env=env
        ), ""
    except (RemoteError, IntegrityError):
        raise
    except WaypostError as error:
        return None, str(error)


def _delivered(clone: Path, place: Path, source: str, branch: str, title: str, body: str) -> Delivery:
    base = git.head_of(clone) or ""
    try:
        commit_ours(clone, title)
    except ProcessError as error:
        raise WaypostError(f"the update cannot be committed: {' '.join(error.stderr.split())}") from error
    head = git.head_of(clone) or ""
    delivery = Delivery(
        kind="pull-request", title=title, body=body, branch=branch, source=source, base=base, head=head
    )
    write_delivery(delivery, clone, place)
    return delivery


def _at_head(clone: Path, path: str) -> str:
    return _at(clone, "HEAD", path)


def _at(repository: Path, commit: str, path: str) -> str:
    if git.object_at(repository, f"{commit}:{path}") is None:
        return ""
    return git.git(repository, "cat-file", "blob", f"{commit}:{path}")


def _here(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
