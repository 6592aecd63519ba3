"""A pipeline run's record of its outcome: which steps were executed or reused, why, and with what."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from waypost.contracts.provenance import without_secrets
from waypost.texts.json_text import read_json
from waypost.texts.parsing import Strict, parse
from waypost.texts.pretty_json import json_text

FILE = "outcome.json"
SCHEMA = 1


class StepOutcome(Strict):
    """How a step ended: `because` says why it was executed or reused, `cause` why it failed; `environment` is
    the digest of its packages, `platform` the machine that its key is for, `needs` the steps before it.
    """

    name: str
    uses: str
    state: str
    run_id: str = ""
    because: str = ""
    cause: str = ""
    user: str = ""
    needs: tuple[str, ...] = ()
    environment: str = ""
    platform: str = ""
    cpus: int | None = None
    memory_mb: int | None = None
    gpus: int | None = None


class Outcome(Strict):
    """outcome.json of a run; `interfaces` are those of its components by `uses`, in the form of records."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    status: str
    description: str = ""
    steps: tuple[StepOutcome, ...] = ()
    interfaces: dict[str, dict[str, Any]] = {}
    packages: dict[str, str] = {}


def outcome_text(outcome: Outcome) -> str:
    """Returns the file's text, without secrets."""
    content = outcome.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    return json_text({"schema": SCHEMA, **without_secrets(content)}) + "\n"


def parse_outcome(text: str, file: str = FILE) -> Outcome:
    """Parses the outcome of a run. Raises FindingsError."""
    return parse(Outcome, read_json(text, file), file)
