"""Author of commits in CI, if git has none configured."""

from __future__ import annotations

import os
from pathlib import Path

from waypost.sources import git

_NOBODY = "waypost"


def name_ourselves(top: Path) -> None:
    """Sets an author for the git commands of this process, unless git or the environment has one."""
    if git.setting(top, "user.email") or os.environ.get("GIT_AUTHOR_EMAIL"):
        return
    name = os.environ.get("GITHUB_ACTOR") or os.environ.get("GITLAB_USER_LOGIN") or _NOBODY
    for who in ("AUTHOR", "COMMITTER"):
        os.environ |= {f"GIT_{who}_NAME": name, f"GIT_{who}_EMAIL": f"{name}@users.noreply.github.com"}
