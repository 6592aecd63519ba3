"""The only module that says git."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from waypost.sources.process import ProcessError, output_of

# Whatever surrounds us (a hook, another repository's settings) must not decide what git does.
_SCRUBBED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
_NEVER_CONTENT = "__pycache__/\n*.pyc\n.DS_Store\n"


def environment(**extra: str) -> dict[str, str]:
    """Returns the environment for git: scrubbed, and it never asks a question."""
    kept = {name: value for name, value in os.environ.items() if name not in _SCRUBBED}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"} | extra


def tree_of(folder: Path) -> str:
    """Returns the git tree hash of a folder as it is on disk, ignored files left out.

    It is the hash that the folder has in a commit with this content. Neither the repository, if
    the folder is in one, nor its index is touched: objects go to a temporary place.
    """
    with tempfile.TemporaryDirectory() as temp:
        repository, excludes = Path(temp, "repository"), Path(temp, "excludes")
        excludes.write_text(_NEVER_CONTENT, encoding="utf-8")
        output_of(["git", "init", "--quiet", "--bare", str(repository)], env=environment())
        env = environment(GIT_DIR=str(repository), GIT_WORK_TREE=str(folder))
        git = ["git", "-c", f"core.excludesFile={excludes}", "-c", "core.autocrlf=false"]
        output_of([*git, "add", "--all", "."], cwd=folder, env=env)
        return output_of(["git", "write-tree"], env=env).strip()


def head_of(folder: Path) -> str | None:
    """Returns the full commit that a folder's repository has checked out, None outside of one."""
    try:
        return output_of(["git", "rev-parse", "HEAD"], cwd=folder, env=environment()).strip()
    except ProcessError:
        return None
