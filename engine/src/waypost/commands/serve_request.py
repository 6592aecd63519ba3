"""What is asked of a server, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waypost.errors import UsageError
from waypost.inference.limits import BECOMES, MIB
from waypost.serving.roles import parse_other
from waypost.serving.workers import Service


@dataclass(frozen=True)
class ServeRequest:
    """What is asked of a server, in the words of `waypost serve --help`."""

    model: str
    host: str
    port: int
    workers: int
    trust: bool
    env: str
    reload_every: float
    token_file: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    origins: tuple[str, ...]
    max_mb: int
    max_unpacked_mb: int | None
    max_rows: int
    timeout: float
    grace: float
    access_log: bool
    canary: str | None
    shadow: str | None
    log: Path | None
    log_share: float
    log_days: float | None
    log_megabytes: int | None

    def __post_init__(self) -> None:
        if self.log is None and (self.log_days or self.log_megabytes):
            raise UsageError("--log-days and --log-megabytes need a log", hint="--log-predictions DIR")

    def service(self, *, is_guarded: bool) -> Service:
        """Returns the settings of the server. Raises UsageError for a share that is none."""
        return Service(
            uri=self.model,
            host=self.host,
            port=self.port,
            workers=self.workers,
            is_trusted=self.trust,
            every=self.reload_every,
            is_guarded=is_guarded,
            token_file=self.token_file.absolute() if self.token_file else None,
            certificate=self.tls_cert,
            key=self.tls_key,
            origins=self.origins,
            most_bytes=self.max_mb * MIB,
            most_unpacked=(self.max_unpacked_mb or BECOMES * self.max_mb) * MIB,
            most_rows=self.max_rows,
            seconds=self.timeout,
            grace=self.grace,
            logs_access=self.access_log,
            canary=parse_other(self.canary, "--canary", None) if self.canary else None,
            shadow=parse_other(self.shadow, "--shadow", 1.0) if self.shadow else None,
            log=self.log.resolve() if self.log else None,
            log_share=self.log_share,
            log_days=self.log_days,
            log_bytes=self.log_megabytes * MIB if self.log_megabytes else None,
            in_own=self.env == "model",
        )
