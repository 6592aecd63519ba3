"""The messages between the client and the workers of a cluster: documents without secrets.

The job is a file in a work folder below the output, where the workers put the files of their parts and the
answer that lists them. A task has the numbers of its parts, and the name of that folder. So no result passes
through Dask. Once the folder is removed, a worker that was believed dead can no longer write on a file
system; in object storage, which has no folders, its files stay in the work folder, which no reader lists.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from waypost.batch.csv_cuts import Cuts
from waypost.batch.fingerprint import ScoringOptions
from waypost.batch.inputs import InputFile
from waypost.batch.parts import Attempt
from waypost.batch.pieces import Problem
from waypost.inference.fetching import FetchedModel

if TYPE_CHECKING:
    import pyarrow as pa

ENDS_BYTES = 64 * 1024
MOST_ENDS = 16
_METADATA = b"waypost"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class WantedModel(_Document):
    """The model that each worker fetches by itself; `is_compiled` is true if its compiled form answers."""

    uri: str
    label: str
    digest: str
    is_trusted: bool
    environment: str
    is_compiled: bool

    @classmethod
    def of(cls, fetched: FetchedModel, uri: str, *, is_compiled: bool) -> WantedModel:
        """Returns a fixed reference to the model: an alias may move in the meantime."""
        name = f"models:/{fetched.name}/{fetched.version}" if fetched.version else uri
        return cls(
            uri=name,
            label=fetched.label,
            digest=fetched.digest,
            is_trusted=fetched.is_trusted,
            environment=fetched.environment,
            is_compiled=is_compiled,
        )


class ScoringJob(_Document):
    """A table to score. `begins` are the first rows of its files, if workers read them, `ends` digests of the
    beginning and end of some, `cuts` those of CSV files; `kept` are the types of the carried-over columns.
    """

    model: WantedModel
    options: ScoringOptions
    versions: dict[str, str]
    source: str
    files: list[tuple[str, int, str, str]]
    carried: list[str]
    kept: str
    begins: list[int] = []
    rows: int = 0
    ends: dict[int, str] = {}
    cuts: dict[int, Cuts] = {}

    @property
    def sources(self) -> list[InputFile]:
        """The files of the input."""
        return [InputFile(*file) for file in self.files]

    def content(self) -> bytes:
        """Returns the content of the job's file."""
        return self.model_dump_json().encode()


class Task(_Document):
    """Parts to score: `job_digest` is the digest of `job.json` in `place`, below `output`."""

    output: str
    place: str
    job_digest: str
    parts: list[int] = []
    attempt: int = 1
    is_spooled: bool = False

    @property
    def name(self) -> str:
        """The key on the cluster. It names the work folder: tasks of one key are one to Dask, also of two
        clients that score the same table at once.
        """
        parts = f"{self.parts[0]:05}-{self.parts[-1]:05}"
        return f"waypost-score-{self.place.rpartition('/')[2]}-{parts}-{self.attempt}"

    @property
    def answer(self) -> str:
        """The name of the file with the task's answer."""
        return f"{self.place}/{self.parts[0]:05}.{self.attempt}.json"


class AnsweredPart(_Document):
    """A part with its files in the work folder."""

    number: int
    files: dict[str, tuple[str, str]]
    rows: int
    skipped: int

    @property
    def attempts(self) -> dict[str, Attempt]:
        """The files of the part by name."""
        return {name: Attempt(*file) for name, file in self.files.items()}


class Failed(_Document):
    """Why parts could not be scored: an error of Waypost."""

    kind: str
    message: str
    hint: str
    exit_code: int
    column: str = ""


class Answer(_Document):
    """The result of a task."""

    parts: list[AnsweredPart] = []
    failed: Failed | None = None


def job_file(place: str) -> str:
    """Returns the name of the job's file in a work folder."""
    return f"{place}/job.json"


def spool_file(place: str, number: int) -> str:
    """Returns the name of the file with a part's rows in a work folder."""
    return f"{place}/{number:05}.arrow"


def types_text(types: dict[str, pa.DataType]) -> str:
    """Returns column types as a string."""
    import pyarrow as pa

    return base64.b64encode(pa.schema(types).serialize()).decode()


def parse_types(text: str) -> dict[str, pa.DataType]:
    """Returns the column types in a string of `types_text`."""
    import pyarrow as pa

    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
    return dict(zip(schema.names, schema.types, strict=True))


def spooled(rows: pa.Table, begins: list[int], problems: dict[int, Problem]) -> bytes:
    """Returns the content of a file with a part's rows, the first rows of the files, and the problems."""
    import pyarrow as pa

    known = {"begins": begins, "problems": {n: [p.row, p.column, p.words] for n, p in problems.items()}}
    table = rows.replace_schema_metadata({_METADATA: json.dumps(known).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(memoryview(sink.getvalue()))


def unspooled(content: bytes) -> tuple[pa.Table, list[int], dict[int, Problem]]:
    """Returns (rows, first rows of the files, problems by the number of their row)."""
    import pyarrow as pa

    with pa.ipc.open_file(pa.py_buffer(content)) as reader:
        table = reader.read_all()
    known: dict[str, Any] = json.loads(table.schema.metadata[_METADATA])
    problems = {int(number): Problem(*problem) for number, problem in known["problems"].items()}
    return table.replace_schema_metadata(None), known["begins"], problems


def ends_digest(file: Any, size: int) -> str:
    """Returns the digest of a file's beginning and end."""
    found = hashlib.sha256(file.read(ENDS_BYTES))
    file.seek(max(size - ENDS_BYTES, 0))
    found.update(file.read(ENDS_BYTES))
    return found.hexdigest()
