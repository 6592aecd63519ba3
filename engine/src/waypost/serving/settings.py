"""Settings of a worker, passed in an environment variable, since workers are separate processes."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from waypost.inference.limits import BECOMES, LARGEST_MIB, MIB

VARIABLE = "WAYPOST_SERVING"
# Of the seconds until the end: requests are answered, then what is left is written down by force.
_ANSWERING, _FORCED = 0.8, 0.9


class Other(BaseModel):
    """A model besides the main one: the file that says which, and its share of the requests."""

    model_config = ConfigDict(frozen=True)

    state: Path
    share: float


class Settings(BaseModel):
    """How to serve; `state` is the file that says which model."""

    model_config = ConfigDict(frozen=True)

    state: Path
    most_bytes: int = LARGEST_MIB * MIB
    most_unpacked: int = LARGEST_MIB * MIB * BECOMES
    most_rows: int = 100_000
    seconds: float = 30.0
    grace: float = 30.0
    logs_access: bool = True
    token_file: Path | None = None
    origins: tuple[str, ...] = ()
    canary: Other | None = None
    shadow: Other | None = None
    log: Path | None = None
    log_share: float = 1.0
    log_days: float | None = None
    log_bytes: int | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def answering(self) -> float:
        """For so many seconds after a signal, requests that have begun are still answered."""
        return self.grace * _ANSWERING

    @property
    def forced(self) -> float:
        """So many seconds after a signal a worker that is still there is ended by force."""
        return self.grace * _FORCED
