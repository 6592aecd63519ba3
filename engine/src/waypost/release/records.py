"""The records in a product's `releases` folder, which is append-only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from waypost.errors import Finding, RemoteError, UsageError, WaypostError
from waypost.interfaces.record import FOLDER, Yank, record_text
from waypost.release.product import Product
from waypost.sources import git, remotes
from waypost.system.process import ProcessError


def yank(product: Product, version: str, reason: str, *, push: bool = False) -> str:
    """Commits the record that a version was yanked, and pushes it if requested; returns the commit.

    After an error the repository is unchanged. Raises UsageError, RemoteError, WaypostError with git's
    message.
    """
    if version not in map(str, product.records):
        known = ", ".join(str(v) for v in product.records) or "none"
        raise UsageError(f"{version} was never released here", hint=f"released: {known}")
    file = product.folder / FOLDER / f"{version}.yanked.json"
    if file.exists():
        raise UsageError(f"{version} was yanked already: {file}")
    branch = git.branch_of(product.top)
    if push:
        _refuse_other_commits(product, branch)
    day = datetime.now(UTC).date().isoformat()
    file.write_text(record_text(Yank(version=version, reason=reason, date=day)), encoding="utf-8")
    path = file.relative_to(product.top).as_posix()
    before = git.head_of(product.top)
    try:
        git.add(product.top, file)
        git.git(product.top, "commit", "--quiet", "-m", f"Yank {version}\n\n{reason}", "--only", "--", path)
        if push:
            remotes.push(product.top, git.origin_of(product.top), [f"HEAD:refs/heads/{branch}"])
    except (ProcessError, RemoteError) as error:
        git.git(product.top, "reset", "--quiet", "--soft", before or "HEAD")
        git.git(product.top, "reset", "--quiet", "--", path)
        file.unlink(missing_ok=True)
        if isinstance(error, RemoteError):
            raise
        message = f"nothing was yanked: {' '.join(error.stderr.split())}"
        raise WaypostError(message, hint="the repository is as it was") from error
    return git.head_of(product.top) or ""


def _refuse_other_commits(product: Product, branch: str) -> None:
    """Raises UsageError if a push would include more than the yank. Raises RemoteError."""
    if not branch or not git.has_origin(product.top):
        raise UsageError("no branch is checked out, or there is no origin to push to")
    if remotes.branches_of(git.origin_of(product.top)).get(branch) != git.head_of(product.top):
        raise UsageError(
            f"{branch} is not what origin has: only the yank is pushed",
            hint=f"git pull, git push origin {branch}",
        )


def tampered(product: Product) -> list[Finding]:
    """Returns findings for records changed or removed after they were written: `releases` is append-only."""
    found = []
    place = (product.folder / FOLDER).relative_to(product.top).as_posix()
    log = git.git(product.top, "log", "--format=", "--name-status", "--no-renames", "--", place)
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
    return [*found, *_differing_from_tags(product, place)]


def _differing_from_tags(product: Product, place: str) -> Iterator[Finding]:
    """Yields findings for records that differ from those in their tags; a guest's tags are elsewhere."""
    for version, record in {} if product.is_guest else product.records.items():
        path, tag = f"{place}/{version}.json", product.tag(version)
        commit = git.object_at(product.top, f"refs/tags/{tag}^{{commit}}")
        if commit is None:
            continue
        if record.commit and record.commit != commit:
            problem = f"it is of commit {record.commit[:12]}, the tag {tag} is at {commit[:12]}"
            yield Finding(path, problem, "", "record-changed")
        elif not record.commit and _content(product, commit, path) != _content(product, "HEAD", path):
            yield Finding(path, f"it is not what the tag {tag} holds", "", "record-changed")


def _content(product: Product, commit: str, path: str) -> str | None:
    return git.object_at(product.top, f"{commit}:{path}")
