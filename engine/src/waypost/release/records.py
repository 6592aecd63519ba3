"""The records in a product's `releases`: only ever added to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from waypost.errors import Finding, RemoteError, UsageError, WaypostError
from waypost.interfaces.record import FOLDER, Yank, record_text
from waypost.release.product import Subject
from waypost.sources import git, remotes
from waypost.system.process import ProcessError


def yank(subject: Subject, version: str, reason: str, *, push: bool = False) -> str:
    """Commits the record that a version was yanked, and pushes it where asked; returns the commit.

    Whatever fails, the repository is as it was. Raises UsageError, RemoteError, WaypostError with what git
    says.
    """
    if version not in map(str, subject.records):
        known = ", ".join(str(v) for v in subject.records) or "none"
        raise UsageError(f"{version} was never released here", hint=f"released: {known}")
    file = subject.folder / FOLDER / f"{version}.yanked.json"
    if file.exists():
        raise UsageError(f"{version} was yanked already: {file}")
    branch = git.branch_of(subject.top)
    if push:
        _refuse_other_commits(subject, branch)
    day = datetime.now(UTC).date().isoformat()
    file.write_text(record_text(Yank(version=version, reason=reason, date=day)), encoding="utf-8")
    path = file.relative_to(subject.top).as_posix()
    before = git.head_of(subject.top)
    try:
        git.git(subject.top, "add", "--", path)
        git.git(subject.top, "commit", "--quiet", "-m", f"Yank {version}\n\n{reason}", "--only", "--", path)
        if push:
            remotes.push(subject.top, git.origin_of(subject.top), [f"HEAD:refs/heads/{branch}"])
    except (ProcessError, RemoteError) as error:
        git.git(subject.top, "reset", "--quiet", "--soft", before or "HEAD")
        git.git(subject.top, "reset", "--quiet", "--", path)
        file.unlink(missing_ok=True)
        if isinstance(error, RemoteError):
            raise
        message = f"nothing was yanked: {' '.join(error.stderr.split())}"
        raise WaypostError(message, hint="the repository is as it was") from error
    return git.head_of(subject.top) or ""


def _refuse_other_commits(subject: Subject, branch: str) -> None:
    """Raises UsageError where a push would take more along than the yank. Raises RemoteError."""
    if not branch or not git.has_origin(subject.top):
        raise UsageError("no branch is checked out, or there is no origin to push to")
    if remotes.branches_of(git.origin_of(subject.top)).get(branch) != git.head_of(subject.top):
        raise UsageError(
            f"{branch} is not what origin has: only the yank is pushed",
            hint=f"git pull, git push origin {branch}",
        )


def tampered(subject: Subject) -> list[Finding]:
    """Returns records that were changed or removed since they were written: `releases` is add-only."""
    found = []
    place = (subject.folder / FOLDER).relative_to(subject.top).as_posix()
    log = git.git(subject.top, "log", "--format=", "--name-status", "--no-renames", "--", place)
    touched: dict[str, list[str]] = {}
    for line in log.splitlines():
        kind, _, path = line.partition("\t")
        if path.endswith(".json"):
            touched.setdefault(path, []).append(kind)
    for path, kinds in sorted(touched.items()):
        if "M" in kinds:
            found.append(Finding(path, "this record was changed after it was written", "", "record-changed"))
        elif kinds[0] == "D":
            found.append(Finding(path, "this record was removed", "", "record-changed"))
    return [*found, *_differing_from_tags(subject, place)]


def _differing_from_tags(subject: Subject, place: str) -> Iterator[Finding]:
    """Gives the records that are not what their tag holds; a guest's tags are elsewhere."""
    for version, record in {} if subject.is_guest else subject.records.items():
        path, tag = f"{place}/{version}.json", subject.tag(version)
        commit = git.object_at(subject.top, f"refs/tags/{tag}^{{commit}}")
        if commit is None:
            continue
        if record.commit and record.commit != commit:
            problem = f"it is of commit {record.commit[:12]}, the tag {tag} is at {commit[:12]}"
            yield Finding(path, problem, "", "record-changed")
        elif not record.commit and _content(subject, commit, path) != _content(subject, "HEAD", path):
            yield Finding(path, f"it is not what the tag {tag} holds", "", "record-changed")


def _content(subject: Subject, commit: str, path: str) -> str | None:
    return git.object_at(subject.top, f"{commit}:{path}")
