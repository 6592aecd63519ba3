"""The environment in which git runs, independent of its user's configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType

# A hook or another repository's variables (`git rev-parse --local-env-vars`) must not decide what git does.
# The variables that identify the user and configure access to servers are kept.
_KEPT = re.compile(
    r"GIT_(?:CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|EXEC_PATH|(?:AUTHOR|COMMITTER)_\w+"
    r"|(?:SSH|SSL|HTTP|PROXY)(?:_\w+)?|ALLOW_PROTOCOL|PROTOCOL_FROM_USER|CEILING_DIRECTORIES"
    r"|DISCOVERY_ACROSS_FILESYSTEM)"
)
# Settings of users that change what git says, or which repositories it reads.
_SETTINGS = {
    "safe.bareRepository": "all",  # mirrors are bare, and named by their folder
    "protocol.version": "2",  # older ones know no filters by `--stdin`, and send every ref
    "log.showSignature": "false",
    "log.follow": "false",
    "log.showRoot": "true",
    "i18n.logOutputEncoding": "UTF-8",
    "color.ui": "false",
    "column.ui": "never",
    "status.showUntrackedFiles": "normal",
    "diff.relative": "false",
    "diff.context": "3",  # a diff with less does not apply
    "diff.interHunkContext": "0",
    "diff.orderFile": os.devnull,
    "clone.defaultRemoteName": "origin",
    "push.followTags": "false",
}


def git_environment(settings: Mapping[str, str] = MappingProxyType({}), /, **extra: str) -> dict[str, str]:
    """Returns the environment for git: scrubbed; git never prompts, and never reveals a secret.

    Args: `settings` are added to those that make git's output the same for every user.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or _KEPT.fullmatch(name)
    }
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    whole = {"GIT_NO_REPLACE_OBJECTS": "1"}  # an id is the id of its content
    return kept | quiet | whole | _as_variables({**_SETTINGS, **settings}) | extra


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that add settings to those which the user gave in the same way."""
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isascii() and count.isdecimal() else 0
    found = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for index, (key, value) in enumerate(settings.items(), first):
        found |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return found
