"""Templates of files: values stand as `@{name}`, since `$` is for shells and pipelines."""

from __future__ import annotations

import string
from collections.abc import Mapping


class _Template(string.Template):
    delimiter = "@"


def filled(template: str, values: Mapping[str, str]) -> str:
    """Returns a template with its values; `@@` is a plain `@`."""
    return _Template(template).substitute(values)
