"""Where in a text a key stands, for people who look at its lines."""

from __future__ import annotations

import re


def line_of(text: str, key: str) -> int:
    """Returns the line (from 1) of a dotted key in YAML or an ini file; of its nearest parent where it is not
    found, 1 where that is not either.

    Each part is looked for from the line of the one before on: a child never stands above its parent.
    """
    lines = text.splitlines()
    at = 0
    for part in key.split(".") if key else ():
        form = re.compile(rf"(?:^|[\s{{,\[\"'-]){re.escape(part)}[\"'\]]?\s*(?:[:=]|$)")
        found = next((number for number in range(at, len(lines)) if form.search(lines[number])), None)
        if found is None:
            break
        at = found
    return at + 1
