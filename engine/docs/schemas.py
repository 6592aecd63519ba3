"""Writes docs/schemas: the JSON Schemas of the files that people write (`make docs`); --check compares."""

from __future__ import annotations

from pathlib import Path

from docs.generated import keep
from waypost.contracts.schemas import FILES, schema_of
from waypost.texts.pretty_json import json_text

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file in FILES:
        page = FOLDER / f"{file.removesuffix('.yaml')}.schema.json"
        keep(page, json_text(schema_of(file)) + "\n", "contracts/schemas.py says")
