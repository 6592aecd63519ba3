"""Commands of git that talk to servers."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from waypost.compat.git import is_cut_off
from waypost.sources.git import create_bare, git, object_at
from waypost.sources.git_settings import git_environment
from waypost.sources.refusals import ATTEMPTS, BadObjectError, CommitGoneError, meaning_of
from waypost.system.process import ProcessError, bytes_of
from waypost.system.scratch import scratch

ASK_SECONDS = 60.0
FETCH_SECONDS = 1800.0
# Not `origin`: a repository may have one, and git would take both URLs.
_REMOTE = "waypost"
# A server that goes silent for this long is given up; by default git waits without limit.
_SILENCE_SECONDS = "30"

# Faults of long-fixed tools, common in public repositories, and harmless here: git checks nothing out, and
# no decision depends on an author or a date.
_HARMLESS = (
    *("badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "missingEmail"),
    *("missingNameBeforeEmail", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "multipleAuthors"),
    *("zeroPaddedDate", "zeroPaddedFilemode"),
)
# `git fsck` only warns of these, a fetch refuses them.
_SEVERE = ("emptyName", "fullPathname", "hasDot", "hasDotdot", "hasDotgit", "nullSha1")


def tags_of(url: str) -> dict[str, str]:
    """Returns the tags of a remote, name to the commit behind it. Raises RemoteError."""
    # An annotated tag comes twice, the second time as ref^{} with the commit.
    return {name.removesuffix("^{}"): oid for name, oid in _refs(url, "--tags", "refs/tags/")}


def branches_of(url: str) -> dict[str, str]:
    """Returns the branches of a remote, name to commit. Raises RemoteError."""
    return dict(_refs(url, "--heads", "refs/heads/"))


def digits_of(url: str) -> int:
    """Returns how many hex digits the ids of a remote have. Raises RemoteError."""
    return max((len(oid) for _, oid in _refs(url, "--heads", "refs/")), default=40)


def _refs(url: str, which: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Yields (name, id) of a remote's refs; a name may hold what Python takes for the end of a line."""
    for line in _ask(url, "ls-remote", which, _REMOTE).split("\n"):
        oid, _, ref = line.partition("\t")
        if ref.startswith(prefix):
            yield ref.removeprefix(prefix), oid


def fetch(repository: Path, url: str, refspecs: Sequence[str]) -> None:
    """Fetches refs or commits without history, tags and, where the server can, files' contents.

    Raises RemoteError; CommitGoneError where the server does not have a commit, BadObjectError where
    git would not take one of its objects.
    """
    options = ["--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"]
    _fetch_checked(repository, url, ["fetch", *options, _REMOTE], refspecs)


def fetch_tags(repository: Path, url: str, tags: Sequence[str]) -> None:
    """Fetches tags with all that they need; those that are here already stay. Raises RemoteError."""
    options = ["--quiet", "--no-tags", "--no-write-fetch-head"]
    refs = [f"refs/tags/{tag}:refs/tags/{tag}" for tag in tags]
    _ask(url, "fetch", *options, _REMOTE, *refs, repository=repository, timeout=FETCH_SECONDS)


def fetch_objects(repository: Path, url: str, oids: Sequence[str]) -> None:
    """Fetches files' contents by their ids, all in one request. Raises RemoteError, BadObjectError."""
    options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"]
    config = ["-c", "fetch.negotiationAlgorithm=noop"]
    stdin = "".join(f"{oid}\n" for oid in oids).encode()
    command = [*config, "fetch", *options, "--filter=blob:none", "--stdin", _REMOTE]
    _fetch_checked(repository, url, command, [], stdin)


def fetch_branch(repository: Path, url: str, branch: str, ref: str) -> None:
    """Fetches a branch with its whole history. Raises RemoteError; CommitGoneError where there is none."""
    options = ["--quiet", "--no-tags", "--no-write-fetch-head"]
    _fetch_checked(repository, url, ["fetch", *options, _REMOTE], [f"+refs/heads/{branch}:{ref}"])


def _fetch_checked(
    repository: Path, url: str, command: Sequence[str], refspecs: Sequence[str], stdin: bytes = b""
) -> None:
    """Fetches objects that git has checked. Nothing refers to one before it is checked.

    A fetch with a filter hands git's own check no exceptions (fetch-pack.c), so that it refuses what
    repositories of before 2010 are full of. Where that is the reason, the objects are fetched without any
    ref, checked with the exceptions, and only then fetched by the refs that are asked for.
    """
    ask = functools.partial(_ask, url, repository=repository, stdin=stdin, timeout=FETCH_SECONDS)
    try:
        ask(*command, *refspecs, settings={"fetch.fsckObjects": "true"})
    except BadObjectError as error:
        if error.kind not in _HARMLESS:
            raise
    else:
        return
    unchecked = {"fetch.fsckObjects": "false"}
    ask(*command, *(spec.removeprefix("+").partition(":")[0] for spec in refspecs), settings=unchecked)
    kinds = {f"fsck.{kind}": "ignore" for kind in _HARMLESS} | {f"fsck.{kind}": "error" for kind in _SEVERE}
    options = [word for kind, level in kinds.items() for word in ("-c", f"{kind}={level}")]
    try:
        git(repository, *options, "fsck", "--no-progress", "--no-dangling", "--no-reflogs")
    except ProcessError as error:
        raise meaning_of(url, error) from error
    ask(*command, *refspecs, settings=unchecked)


def commit_of(url: str, text: str) -> str | None:
    """Returns the commit that a full or short id means among those that branches and tags of the
    remote contain; None where there is none: a commit of a fork is none of its own.

    Raises RemoteError, and LookupError where a short id means several.
    """
    found = [commit for commit in _history(url) if commit.startswith(text)]
    if len(found) > 1:
        raise LookupError(f"{text} means {len(found)} commits; write more digits")
    return found[0] if found else None


def is_reached(url: str, commit: str, *, by_tags: bool = True) -> bool:
    """Tells whether a branch or a tag of a remote contains a commit. That the remote gives it away does not
    say so: hosting services give away what any fork has. Raises RemoteError.
    """
    heads = branches_of(url) | (tags_of(url) if by_tags else {})
    return commit in heads.values() or commit in _history(url, by_tags=by_tags)


def _history(url: str, *, by_tags: bool = True) -> list[str]:
    """Returns all commits that branches and tags of a remote contain. Raises RemoteError."""
    kinds = ["heads", "tags"] if by_tags else ["heads"]
    with scratch() as temp:
        history = temp / "history.git"
        create_bare(history, digits=digits_of(url))
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--filter=tree:0"]
        refs = [f"+refs/{kind}/*:refs/{kind}/*" for kind in kinds]
        # Unchecked: their ids are all that is looked at, and old histories have what git refuses today.
        _ask(url, "fetch", *options, _REMOTE, *refs, repository=history, timeout=FETCH_SECONDS)
        return git(history, "rev-list", "--branches", "--tags").splitlines()


def has_commit(url: str, commit: str) -> bool:
    """Tells whether a remote still serves a commit. Raises RemoteError for other problems."""
    with scratch() as temp:
        repository = temp / "question.git"
        create_bare(repository, digits=len(commit))
        try:
            fetch(repository, url, [f"{commit}:refs/pins/{commit}"])
        except CommitGoneError:
            return False
        return object_at(repository, f"refs/pins/{commit}") is not None


def push(repository: Path, url: str, refspecs: Sequence[str]) -> None:
    """Pushes refs, all or none, and never by force. Raises RemoteError."""
    _ask(url, "push", "--quiet", "--atomic", _REMOTE, *refspecs, repository=repository, timeout=FETCH_SECONDS)


def replace(repository: Path, url: str, branch: str, commit: str, expected: str) -> None:
    """Lets a branch of a remote be a commit, where it still is the one that is `expected` (empty: none).

    Raises RemoteError.
    """
    lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
    refs = [f"+{commit}:refs/heads/{branch}"]
    _ask(url, "push", "--quiet", lease, _REMOTE, *refs, repository=repository, timeout=FETCH_SECONDS)


def _ask(
    url: str,
    *arguments: str,
    repository: Path | None = None,
    stdin: bytes = b"",
    timeout: float = ASK_SECONDS,
    settings: Mapping[str, str] | None = None,
) -> str:
    # Never in the user's repository: its settings must not affect a remote.
    place = ["-C", str(repository or Path("/"))]
    env = _environment(url, settings or {})
    for attempt in range(1, ATTEMPTS + 1):
        try:
            command = ["git", *place, *arguments]
            return bytes_of(command, stdin=stdin, env=env, timeout=timeout, tied=True).decode(
                errors="replace"
            )
        except ProcessError as error:
            cause = error
        if attempt == ATTEMPTS or not is_cut_off(cause.stderr):
            break
        time.sleep(0.3 * attempt)
    raise meaning_of(url, cause) from cause


def _environment(url: str, more: Mapping[str, str]) -> dict[str, str]:
    """Returns git's environment with the URL in it, and more settings: neither the command line, which other
    users can see, nor a file gets to know what secret is in the URL.
    """
    settings = {f"remote.{_REMOTE}.url": url, "gc.auto": "0", "maintenance.auto": "false", **more}
    patience = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": _SILENCE_SECONDS}
    return patience | git_environment(settings)
