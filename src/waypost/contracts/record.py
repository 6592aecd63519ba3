"""A record in releases/: what a release of a component repository holds."""

from __future__ import annotations

import json
import re

from pydantic import Field

from waypost.contracts.parsing import Strict, parse
from waypost.errors import Finding, FindingsError

FILE = re.compile(r"releases/(\d+\.\d+\.\d+[^/]*?)\.json")
SCHEMA = 1


class Record(Strict):
    """`components` and `shared` are folders with their git trees; `interfaces` and `environments`
    digests by component; `date` the day of the release (UTC).
    """

    schema_: int = Field(alias="schema")
    kind: str
    version: str
    date: str
    engine: str
    components: dict[str, str]
    shared: dict[str, str]
    interfaces: dict[str, str]
    environments: dict[str, str]
    notes: str = ""

    @property
    def trees(self) -> dict[str, str]:
        """All folders that are released, name to tree."""
        return {**self.components, **self.shared}


def parse_record(text: str, file: str) -> Record:
    """Returns the record. Raises FindingsError."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise FindingsError([Finding(file, f"not valid JSON: {error}")], consequence="") from error
    return parse(Record, content, file)


def version_of_record(path: str) -> str | None:
    """Returns the version whose record a path is; None for other files, yanks and runs among them."""
    hit = FILE.fullmatch(path)
    return None if hit is None or hit[1].endswith((".yanked", ".run")) else hit[1]
