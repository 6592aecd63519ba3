"""A model's name in images, labels and Kubernetes, which limits its length."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

_LONGEST = 40  # of a name: Kubernetes takes 63, and there are suffixes
_SHORT = 12


class Identity(BaseModel):
    """A model: `name` and `version` of a registered one, the MLflow `run` and the `release` that made it, and
    the `digest` (sha256, hex) of its files.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    name: str
    version: str
    run: str
    release: str
    digest: str

    @property
    def slug(self) -> str:
        """The name as Kubernetes requires (RFC 1035): letters, digits, hyphens, beginning with a letter."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:_LONGEST].strip("-")
        return plain if plain[:1].isalpha() else f"model-{plain}".strip("-")

    @property
    def tag(self) -> str:
        """The version if it is a number, else the beginning of the digest."""
        return self.version if self.version.isdecimal() and self.version.isascii() else self.digest[:_SHORT]
