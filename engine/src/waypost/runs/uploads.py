"""Uploads what a cluster's workers cannot fetch themselves, as artifacts of a pipeline's run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from waypost.contracts.resources import MIB
from waypost.contracts.trees import tree_of_folders
from waypost.contracts.urls import full_url, scheme_of
from waypost.pins.checkout import Checkout
from waypost.runs.executor import Work
from waypost.runs.prepare import Prepared, local_path, locations
from waypost.runs.spec import Code, Document, artifact_argument
from waypost.sources.archives import pack
from waypost.sources.memo import Memo
from waypost.sources.objects import Objects
from waypost.sources.snapshots import snapshot
from waypost.sources.store import Store, is_cached
from waypost.system.places import home
from waypost.system.scratch import scratch
from waypost.texts.sealed import variables_in
from waypost.tracking.runs import Runs

_NETWORK = ("http", "https", "ssh", "git")
_TOLD_MIB = 64
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Uploads:
    """Uploads each content once for all runs of a process.

    With `upload`, input files of this machine are uploaded, too; otherwise workers look for them at the same
    path.
    """

    def __init__(self, memo: Memo, say: Callable[[str], None], *, upload: bool) -> None:
        self._memo = memo
        self._say = say
        self._upload = upload
        self._code: dict[str, tuple[str, str]] = {}
        self._files: dict[tuple[str, str], Document] = {}

    def code(self, work: Work, runs: Runs) -> Code:
        """Returns where workers get a step's code."""
        prepared = work.prepared
        code = prepared.checkout(work.step)
        folder, trees = code.folder.name, dict(code.trees)
        if code.pin and is_public(code.pin.git):
            git = full_url(code.pin.git, "")
            return Code(work.step.uses, folder, trees, git, code.pin.commit, code.pin.tag)
        tree = tree_of_folders(trees)
        if tree not in self._code:
            self._code[tree] = work.parent, _upload_code(code, tree, work.parent, runs)
        run_id, artifact = self._code[tree]
        return Code(work.step.uses, folder, trees, run_id=run_id, artifact=artifact)

    def files(self, work: Work, runs: Runs) -> dict[str, Document]:
        """Returns where workers get a step's input files of this machine, by parameter."""
        found = work.inputs.local(work.step)
        return {name: self._file(path, work.parent, runs) for name, path in found.items()}

    def _file(self, path: Path, parent: str, runs: Runs) -> Document:
        digest = self._memo.digest(path)
        if not self._upload:
            return {"path": str(path.resolve()), "digest": digest}
        key = (digest, path.name)
        if key not in self._files:
            place = f"inputs/{digest[:16]}"
            size = path.stat().st_size // MIB
            if size >= _TOLD_MIB:
                self._say(f"{path.name}: uploading {size:,} MiB for the workers")
            runs.log_file(parent, path, place)
            self._files[key] = artifact_argument(parent, f"{place}/{path.name}", digest)
        return self._files[key]


def _upload_code(code: Checkout, tree: str, run_id: str, runs: Runs) -> str:
    with scratch() as temp:
        file = temp / f"{tree}.tar"
        pack(_unpacked(code), file)
        runs.log_file(run_id, file, "code")
    return f"code/{tree}.tar"


def _unpacked(code: Checkout) -> Path:
    """Returns a folder that holds only a component and its shared folders."""
    if is_cached(code.folder):
        return code.folder.parent
    store = Store(home(), lambda _: None)
    if found := store.find(code.trees):
        return found
    with snapshot(code.folder.parent, list(code.trees)) as (repository, _), Objects(repository) as objects:
        return store.add(code.trees, objects)


def is_public(git: str) -> bool:
    """Returns whether other machines can reach a repository at this address."""
    if "://" in git:
        return scheme_of(git) in _NETWORK and urlsplit(git).hostname not in _LOOPBACK
    return ":" in git.partition("/")[0]  # github:ORG/REPO, or git's short form for ssh, HOST:PATH


def local_files(prepared: Prepared, memo: Memo) -> dict[str, str]:
    """Returns the digests of the steps' input files on this machine, by path."""
    found = {}
    for _, location in locations(prepared.plan):
        path = None if variables_in(location.text) else local_path(location, prepared.folder, {})
        if path is not None:
            found[str(path.resolve())] = memo.digest(path)
    return found
