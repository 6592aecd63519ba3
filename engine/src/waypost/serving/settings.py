"""Settings of a worker, passed in an environment variable, because workers are separate processes."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from waypost.inference.limits import BECOMES, LARGEST_MIB, MIB

VARIABLE = "WAYPOST_SERVING"
# Shares of the grace period: requests are answered, then the rest is written by force.
_ANSWERING, _FORCED = 0.8, 0.9


class OtherModel(BaseModel):
    """An additional model: its state file, and its share of the requests."""

    model_config = ConfigDict(frozen=True)

    state: Path
    share: float


class Settings(BaseModel):
    """Options of serving; `state` is the main model's state file."""

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
    canary: OtherModel | None = None
    shadow: OtherModel | None = None
    log: Path | None = None
    log_share: float = 1.0
    log_days: float | None = None
    log_bytes: int | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def answering(self) -> float:
        """Seconds after a signal in which running requests are still answered."""
        return self.grace * _ANSWERING

    @property
    def forced(self) -> float:
        """Seconds after a signal after which a worker is ended by force."""
        return self.grace * _FORCED
