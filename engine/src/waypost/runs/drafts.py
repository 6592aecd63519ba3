"""Where release runs were made, for recording one later from another folder."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from waypost.errors import WaypostError, redacted
from waypost.runs.preflight import Options
from waypost.runs.prepare import Prepared
from waypost.sources.files import read_text, write_text
from waypost.system.places import home
from waypost.texts.digests import digest_of


@dataclass(frozen=True)
class Draft:
    """The starting point of a record: the newest finished run of a release on this machine."""

    run_id: str
    tracking_uri: str

    @property
    def is_there(self) -> bool:
        """Whether its tracking store may exist: looking must not create a missing file."""
        file = self.tracking_uri.removeprefix("sqlite:///")
        return file == self.tracking_uri or Path(file).is_file()


def note(prepared: Prepared, options: Options, run_id: str, tracking_uri: str) -> None:
    """Notes where a release was run with its own parameters. Cache errors are ignored."""
    release, source = prepared.release, prepared.made_from
    if "waypost.release" not in release or source is None or options.steps is not None or prepared.dev:
        return
    if source.overrides or len(source.files) > 1:
        return
    file = _file(release["waypost.release"], release["waypost.commit"])
    draft = Draft(run_id, redacted(absolute(tracking_uri)))
    with contextlib.suppress(OSError, WaypostError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(asdict(draft)))


def find(version: str, commit: str) -> Draft | None:
    """Returns where a release was run on this machine, None if unknown."""
    with contextlib.suppress(OSError, WaypostError, ValueError, TypeError):
        return Draft(**json.loads(read_text(_file(version, commit))))
    return None


def _file(version: str, commit: str) -> Path:
    return home() / "drafts" / f"{digest_of([version, commit])}.json"


def absolute(uri: str) -> str:
    """Returns the URI of a tracking store in a form that does not depend on the current folder."""
    scheme, is_file, path = uri.partition("sqlite:///")
    if is_file and not scheme:
        return f"sqlite:///{Path.cwd() / path}"
    return uri if "://" in uri or uri.startswith("file:") else str(Path.cwd() / uri)
