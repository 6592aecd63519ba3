"""What is in a W&B run file (`run-ID.wandb`): wandb ships no reader, so the tests bring their own.

The file is a LevelDB log behind a header of seven bytes: blocks of 32 KiB, in them records with a
checksum, a length and a type (whole, first, middle or last part); each whole one is a `Record` of
wandb.proto. Source: https://github.com/google/leveldb/blob/main/doc/log_format.md
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as proto

_BLOCK = 32 * 1024
_HEADER = 7


def records(file: Path) -> Iterator[Any]:
    """Gives the records of a run file in their order."""
    content = file.read_bytes()
    assert content[:4] == b":W&B"
    at, parts = _HEADER, b""
    while at + _HEADER <= len(content):
        if _BLOCK - at % _BLOCK < _HEADER:  # too little room for a header: the rest of a block is empty
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + _HEADER])
        parts += content[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        if kind in (1, 4):
            record = proto.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


@dataclass
class OfflineRun:
    """One run, as `wandb sync` would send it."""

    folder: Path
    group: str = ""
    job_type: str = ""
    name: str = ""
    project: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    logged: list[Any] = field(default_factory=list)
    used: list[Any] = field(default_factory=list)
    exit_code: int | None = None

    @property
    def media(self) -> dict[str, Path]:
        """The files of plots, tables and pages by the names that they were logged under."""
        found = {}
        for row in self.history:
            for name, value in row.items():
                if isinstance(value, dict) and "path" in value:
                    found[name] = self.folder / "files" / value["path"]
        return found


def offline_runs(folder: Path) -> list[OfflineRun]:
    """Returns the runs below a folder that holds `wandb/`."""
    return [_read(file) for file in sorted(folder.glob("wandb/*run-*/run-*.wandb"))]


def _read(file: Path) -> OfflineRun:
    run = OfflineRun(file.parent)
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            told = record.run
            run.group, run.job_type = told.run_group, told.job_type
            run.name, run.project, run.tags = told.display_name, told.project, list(told.tags)
            _update(run.config, told.config.update)
        elif kind == "config":
            _update(run.config, record.config.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            run.history.append(row)
        elif kind == "summary":
            _update(run.summary, record.summary.update)
        elif kind == "artifact":
            (run.used if record.artifact.use_after_commit else run.logged).append(record.artifact)
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _update(target: dict[str, Any], items: Any) -> None:
    for item in items:
        *above, last = list(item.nested_key) or [item.key]
        place = target
        for name in above:
            place = place.setdefault(name, {})
        place[last] = json.loads(item.value_json)
