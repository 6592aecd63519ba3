"""Settings of a GitHub repository that the workflows rely on, as a script to read and run."""

from __future__ import annotations

import json
import shlex
from typing import Any

_ACTIONS_APP = 15368  # the id of GitHub Actions as an app, on github.com


def script(repository: str, *, branch: str, tags: str, check: str, is_package: bool = False) -> str:
    """Returns the script of `gh api` calls for a repository, OWNER/NAME.

    Args: `tags` is the pattern of its release tags, `check` the name of the required check; with
    `is_package`, there is an environment for PyPI. Bodies and addresses are those of GitHub's REST API,
    version 2022-11-28, as it was documented in 2026.
    """
    place = f"repos/{repository}"
    calls = [
        (
            f"{branch}: changes come by pull request, releases too, and pass the check. Where nobody\n"
            "# else is there to agree: 0 approvals, and no approval of the last push",
            f"{place}/rulesets",
            _branch(branch, check),
        ),
        (
            "release tags: once made, they are never moved and never deleted",
            f"{place}/rulesets",
            _tags(tags),
        ),
    ]
    lines = [
        "#!/usr/bin/env bash",
        "# Read it, then run it as an administrator of the repository. It can be run again: a ruleset that",
        "# is there is reported as a conflict, and stays as it is.",
        "set -uo pipefail",
        "",
        "# Pull requests are merged by merge commits: a release's record names the commit that was executed.",
        f"gh api --method PATCH {place} -F allow_merge_commit=true -F delete_branch_on_merge=true",
        "",
        "# A published release can no longer be changed; `gh release verify` proves that it was not.",
        f"gh api --method PUT {place}/immutable-releases",
        "",
        "# Workflows get a token that reads; jobs that write ask for it. They may open pull requests.",
        f"gh api --method PUT {place}/actions/permissions/workflow -f default_workflow_permissions=read \\",
        "  -F can_approve_pull_request_reviews=true",
        "",
        "# The environment of the jobs that write; add reviewers where a person has to agree:",
        "#   -f 'reviewers[][type]=Team' -F 'reviewers[][id]=ID'",
        *_environment(place, "release", branch, "branch"),
        "",
        *(_of_package(place, tags) if is_package else ()),
        "# Secrets, where they are needed (docs/ci.md): read access to private components, and a token of an",
        "# app, whose pull requests start workflows. They are the repository's: a workflow that calls",
        "# another one does not see those of an environment.",
        f"#   gh secret set COMPONENTS_TOKEN --repo {repository}",
        f"#   gh secret set WAYPOST_TOKEN --repo {repository}",
    ]
    for comment, address, content in calls:
        body = json.dumps(content, indent=2)
        lines += ["", f"# {comment}.", f"gh api --method POST {address} --input - <<'JSON'", body, "JSON"]
    return "\n".join(lines) + "\n"


def _environment(place: str, name: str, ref: str, kind: str) -> list[str]:
    """Returns the calls that create an environment for jobs of one branch, or of tags, only."""
    return [
        f"gh api --method PUT {place}/environments/{name} \\",
        "  -F 'deployment_branch_policy[protected_branches]=false' \\",
        "  -F 'deployment_branch_policy[custom_branch_policies]=true'",
        f"gh api --method POST {place}/environments/{name}/deployment-branch-policies \\",
        f"  -f name={shlex.quote(ref)} -f type={kind}",
    ]


def _of_package(place: str, tags: str) -> list[str]:
    """Returns the calls for a Python package: its publishing environment."""
    about = [
        "# The environment of the jobs that publish a package, at release tags alone. PyPI is told its name,",
        "# and that of the workflow's file, instead of a token: https://docs.pypi.org/trusted-publishers/",
    ]
    return [*about, *_environment(place, "package", tags, "tag"), ""]


def _branch(branch: str, check: str) -> dict[str, Any]:
    review = {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": False,
        "require_last_push_approval": True,
        "required_review_thread_resolution": False,
        "allowed_merge_methods": ["merge"],
    }
    checks = {
        "strict_required_status_checks_policy": False,
        "required_status_checks": [{"context": check, "integration_id": _ACTIONS_APP}],
    }
    rules: list[dict[str, Any]] = [
        {"type": "deletion"},
        {"type": "non_fast_forward"},
        {"type": "pull_request", "parameters": review},
        {"type": "required_status_checks", "parameters": checks},
    ]
    return _ruleset("waypost: branch", "branch", f"refs/heads/{branch}", rules)


def _tags(pattern: str) -> dict[str, Any]:
    rules = [{"type": "deletion"}, {"type": "non_fast_forward"}, {"type": "update"}]
    return _ruleset("waypost: release tags", "tag", f"refs/tags/{pattern}", rules)


def _ruleset(name: str, target: str, ref: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    conditions = {"ref_name": {"include": [ref], "exclude": []}}
    return {"name": name, "target": target, "enforcement": "active", "conditions": conditions, "rules": rules}
