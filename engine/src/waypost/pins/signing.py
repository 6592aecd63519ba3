"""Are tags signed by those whom the user, the user's pipeline, or else the repository itself allows?

What is under test never says who may sign it: policies come from the user's own files, and from the default
branch, which moving a tag does not change.
"""

from __future__ import annotations

from waypost.contracts.signers import OF_REPOSITORY, UNSIGNED, WRONG, Policy, object_findings
from waypost.errors import Finding
from waypost.sources.git import object_at
from waypost.sources.mirror import Mirror
from waypost.sources.settings import signers_of, signers_of_git
from waypost.sources.signatures import signature_problem, tag_object

_NAME_SIGNERS = "name a file with keys: git config --global gpg.ssh.allowedSignersFile FILE"


def signature_findings(
    mirror: Mirror,
    tag: str,
    commit: str,
    policy: Policy | None = None,
    *,
    offline: bool = False,
    is_asked: bool = False,
) -> list[Finding]:
    """Returns why a tag is not signed as it has to be; none where nobody asks for a signature.

    The mirror has what the default branch has now; offline that is not asked, and the tag is as it was seen
    last. Args: `policy` is what the user's pipeline.yaml says of the repository; where a signature `is_asked`
    for by name, git's own file of allowed signers counts after it, and nobody's is a finding. Raises
    FindingsError where a policy cannot be read, RemoteError, WaypostError without ssh-keygen.
    """
    policy = signers_of(mirror.url) or policy or (signers_of_git() if is_asked else None)
    policy = policy or (None if offline else _of_repository(mirror))
    if policy is None:
        problem = "nobody says whose signature counts"
        return [Finding(tag, problem, _NAME_SIGNERS, UNSIGNED)] if is_asked else []
    ref = mirror.tag_ref(tag, fetch=not offline)
    if offline and object_at(mirror.folder, ref) is None:
        problem = f"its signature was never checked, and this is offline; {policy.origin} asks for one"
        return [Finding(tag, problem, "run it once with the network", UNSIGNED)]
    try:
        oid, found = tag_object(mirror.folder, ref)
    except ValueError as error:
        return [Finding(tag, f"its signature cannot be looked at: {error}", "", WRONG)]
    if findings := list(object_findings(tag, commit, found, policy)):
        return findings
    if problem := signature_problem(mirror.folder, oid, policy.keys):
        hint = f"accepted keys: {policy.origin}"
        return [Finding(tag, f"the tag's signature does not count: {problem}", hint, WRONG)]
    return []


def _of_repository(mirror: Mirror) -> Policy | None:
    """Returns what the default branch of a repository says of its own tags."""
    keys = mirror.text(mirror.path(OF_REPOSITORY))
    keys = mirror.text(OF_REPOSITORY) if keys is None and mirror.inside else keys
    return None if keys is None else Policy(keys, f"{OF_REPOSITORY} on the default branch")
