"""Tables of any size, read a batch at a time: Parquet, CSV in any dialect, JSON lines.

In any format, the reader finds rows that the model cannot answer, and names file and row. With `lenient` such
a row stays in its place, and is listed in `problems` by its number.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from waypost.batch import csv_files, json_files, parquet_files
from waypost.batch.conversion import converted
from waypost.batch.csv_cuts import LEAST_BYTES, Cuts, cuts_of
from waypost.batch.inputs import InputFile, Listing
from waypost.batch.pieces import ColumnSelection, Peek, Piece, Problem, not_a_row
from waypost.inference.dialect import SAMPLE_BYTES, Dialect, RequestedDialect
from waypost.inference.layout import Layout, TableError
from waypost.inference.table import short

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 8192


@dataclass
class Input:
    """The input: the model's columns and the `carried` ones, unchanged.

    `batch_rows` rows of a Parquet file are read at once; `current` is the name of the file being read.
    `malformed` collects invalid lines. `say` reports an unusual CSV dialect.
    """

    files: Listing
    layout: Layout
    carried: Sequence[str] = ()
    lenient: bool = False
    asked: RequestedDialect = field(default_factory=RequestedDialect)
    say: Callable[[str], None] = lambda _: None
    malformed: list[str] = field(default_factory=list)
    problems: dict[int, Problem] = field(default_factory=dict)
    batch_rows: int = _BATCH_ROWS
    current: str = ""
    _peeks: dict[str, Peek] = field(default_factory=dict)
    _begins: list[int] = field(default_factory=list)
    _kept: dict[str, Any] = field(default_factory=dict)
    _cuts: dict[int, Cuts] = field(default_factory=dict)
    _told: set[Dialect] = field(default_factory=lambda: {Dialect()})

    @property
    def sources(self) -> list[InputFile]:
        """The files, ordered by path."""
        return self.files.sources

    @property
    def wanted(self) -> ColumnSelection:
        """The columns to read, and the requested dialect of a CSV."""
        return ColumnSelection(self.layout, tuple(self.carried), self.asked)

    def names(self) -> list[str]:
        """Returns the columns of the first file. Raises TableError."""
        with _named(self.sources[0]):
            return list(self._columns(self.sources[0]).names)

    def check(self) -> None:
        """Raises TableError if a file lacks columns; no row is read.

        Of remote files, only the first one and Parquet files are checked before reading.
        """
        kept: dict[str, list[Any]] = {name: [] for name in self.carried}
        for number, source in enumerate(self.sources):
            if number and self.files.is_remote and source.form != "parquet":
                continue
            with _named(source):
                schema = self._columns(source)
                columns = self.wanted.columns(schema.names)
                if source.form == "parquet":
                    parquet_files.check_types(schema, self.wanted)
            for name in kept.keys() & set(columns):
                kept[name].append(schema.field(name).type)
        self._kept = {name: _common(types) for name, types in kept.items()}

    def peek(self, source: InputFile) -> Peek:
        """Returns what is known of a file before its rows are read. Raises TableError."""
        found = self._peeks.get(source.path)
        if found is None:
            found = self._peeks[source.path] = self._peeked(source)
        return found

    def _peeked(self, source: InputFile) -> Peek:
        if source.form == "parquet":
            return parquet_files.peeked(partial(self._opened, source))
        with self._opened(source) as (_, stream):
            sample = stream.read(SAMPLE_BYTES)
        if source.form == "jsonl":
            return json_files.peeked(sample, self.wanted)
        return csv_files.peeked(sample, self.wanted, usual="\t" if source.form == "tsv" else ",")

    def _columns(self, source: InputFile) -> pa.Schema:
        """Returns a file's columns, and those of its folders' names."""
        import pyarrow as pa

        own = self.peek(source).schema
        return pa.schema([*own, *(pa.field(name, pa.string()) for name in self._named_above(source))])

    def _named_above(self, source: InputFile) -> dict[str, str | None]:
        """Returns the values of columns that come from the names of a file's folders."""
        own = self.peek(source).schema.names
        return {name: value for name, value in source.folders.items() if name not in own}

    def rows(self) -> int | None:
        """Returns the number of rows, or None if that requires reading. Raises TableError."""
        if any(source.form != "parquet" for source in self.sources):
            return None
        total = 0
        for source in self.sources:
            with _named(source):
                total += self.peek(source).rows or 0
        return total

    def groups(self) -> list[int]:
        """Returns the rows of each row group of all files, and records which file has which rows; the groups
        of a CSV are its `Cuts`. Empty if a file has no groups. Raises TableError.
        """
        self._begins.clear()
        self._cuts.clear()
        found: list[int] = []
        rows = 0
        if not all(self._may_have_groups(source) for source in self.sources):
            return []
        for number, source in enumerate(self.sources):
            self._begins.append(rows)
            with _named(source):
                groups = self._groups(number, source)
            if groups is None:
                self._begins.clear()
                return []
            found += groups
            rows += sum(groups)
        return found

    def _may_have_groups(self, source: InputFile) -> bool:
        """Whether a file may have groups: Parquet, and CSV with known types. If invalid lines are skipped,
        only reading shows the number of a row.
        """
        is_plain = source.form in {"csv", "tsv"} and not source.packing
        return source.form == "parquet" or (is_plain and bool(self.layout.columns) and not self.lenient)

    def _groups(self, number: int, source: InputFile) -> Sequence[int] | None:
        peek = self.peek(source)
        if source.form == "parquet":
            return peek.groups
        self._tell(source, peek.dialect)
        with self.files.fs.open(source.path, "rb", block_size=LEAST_BYTES) as file:
            cuts = cuts_of(file, source.size, peek.dialect)
        if cuts is None:
            return None
        self._cuts[number] = cuts
        return cuts.rows

    def knowing(
        self,
        begins: Sequence[int],
        kept: Mapping[str, Any] | None = None,
        problems: Mapping[int, Problem] | None = None,
        cuts: Mapping[int, Cuts] | None = None,
    ) -> Input:
        """Returns the same input with known facts: the first row of each file, types of carried-over columns,
        rows that cannot be answered, the cuts of CSV files.
        """
        return replace(
            self,
            malformed=[],
            problems=dict(problems or {}),
            _begins=list(begins),
            _kept=dict(kept or self._kept),
            _cuts=dict(cuts or self._cuts),
        )

    @property
    def begins(self) -> list[int]:
        """The first rows of the files read so far."""
        return list(self._begins)

    @property
    def cuts(self) -> dict[int, Cuts]:
        """The cuts of CSV files, by the numbers of the files, as far as known."""
        return dict(self._cuts)

    @property
    def kept_types(self) -> dict[str, Any]:
        """The types of the carried-over columns, common to all files."""
        return dict(self._kept)

    def between(self, first: int, stop: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yields the rows from number `first` to `stop` of files with groups, as `batches` does; `begins` and
        `cuts` must be known.
        """
        for number, source in enumerate(self.sources):
            begin = self._begins[number]
            end = self._begins[number + 1] if number + 1 < len(self._begins) else stop
            if begin >= min(stop, end) or end <= first:
                continue
            self.current = source.name
            within = range(max(first - begin, 0), min(stop, end) - begin)
            row = begin + within.start
            with _named(source):
                for piece in self._pieces(source, within, self._cuts.get(number)):
                    self._note(piece, row, begin)
                    yield self._completed(piece.batch, source), piece.read
                    row += piece.batch.num_rows

    def place_of(self, row: int) -> tuple[str, int]:
        """Returns (name of the file, number in it) of a row."""
        number = self.file_of(row)
        return self.sources[number].name, row - self._begins[number]

    def file_of(self, row: int) -> int:
        """Returns the number of the file that contains a row."""
        return bisect.bisect_right(self._begins, row) - 1

    def batches(self) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yields (rows, bytes of the input read so far), in order; for a file without rows only its columns.
        Raises TableError with file, column and row.
        """
        done = first = 0
        self._begins.clear()
        for source in self.sources:
            self.current = source.name
            self._begins.append(first)
            with _named(source):
                for piece in self._pieces(source):
                    self._note(piece, first, self._begins[-1])
                    yield self._completed(piece.batch, source), done + piece.read
                    first += piece.batch.num_rows
            done += source.size

    def _pieces(
        self, source: InputFile, within: range | None = None, cuts: Cuts | None = None
    ) -> Iterator[Piece]:
        """Yields the rows of a file, at least one piece; of a file with groups those in a range."""
        import pyarrow as pa

        wanted, peek = self.wanted, self.peek(source)
        columns = wanted.columns(self._columns(source).names)
        above = self._named_above(source)
        own = [name for name in columns if name not in above]
        count = 0
        for piece in self._read(source, own, peek, within, cuts):
            count += 1
            yield piece
        if not count:
            kept = [peek.schema.field(name) for name in own]
            yield Piece(pa.RecordBatch.from_pylist([], pa.schema(kept)), read=source.size)

    def _read(
        self, source: InputFile, columns: list[str], peek: Peek, within: range | None, cuts: Cuts | None
    ) -> Iterator[Piece]:
        opened = partial(self._opened, source)
        match source.form:
            case "parquet":
                parquet_files.check_types(peek.schema, self.wanted)
                return parquet_files.pieces(opened, columns, source.size, self.batch_rows, within)
            case "jsonl":
                return json_files.pieces(opened, columns, peek.schema, self.wanted)
            case _:
                self._tell(source, peek.dialect)
                if within is not None and cuts:
                    return csv_files.pieces_between(opened, columns, peek, self.wanted, cuts, within)
                return csv_files.pieces(opened, columns, peek, self.wanted, lenient=self.lenient)

    def _tell(self, source: InputFile, dialect: Dialect) -> None:
        if dialect not in self._told:
            self._told.add(dialect)
            self.say(f"{source.name}: read with {dialect}")

    def _note(self, piece: Piece, first: int, begin: int) -> None:
        """Collects the problems of a piece, the first of each row. Raises TableError unless `lenient`.

        Args: `first` is the number of its first row, `begin` that of its file's first row.
        """
        if self.lenient:
            self.malformed += piece.malformed
            self.problems |= {first + problem.row: problem for problem in reversed(piece.problems)}
            return
        in_file = first - begin
        if piece.problems:
            problem = min(piece.problems, key=lambda problem: problem.row)
            raise problem.error(in_file + problem.row)
        if piece.malformed:
            raise not_a_row(piece.malformed[0], in_file, in_file + piece.batch.num_rows)

    def _completed(self, batch: pa.RecordBatch, source: InputFile) -> pa.RecordBatch:
        """Returns rows with the columns of folders' names; carried-over columns get one type in all files."""
        for name, value in self._named_above(source).items():
            if self.wanted.kind(name) or name in self.carried:
                batch = self._with_folder(batch, name, value)
        for name in self.carried:
            place = self.wanted.kept_as(name)
            values = batch[place if place in batch.schema.names else name]
            kept = self._of_one_type(values, name)
            if kept is not values or place not in batch.schema.names:
                batch = _with(batch, place, kept)
        return batch

    def _with_folder(self, batch: pa.RecordBatch, name: str, value: str | None) -> pa.RecordBatch:
        import pyarrow as pa

        texts = pa.array([value], pa.string())
        if name in self.carried:
            batch = _with(batch, self.wanted.kept_as(name), _repeated(texts, batch.num_rows))
        if self.wanted.kind(name):
            values, wrong = converted(texts, self.wanted.type(name))
            if wrong:
                problem = f"the folder {name}={value}: {short(value)} is not a valid {self.wanted.noun(name)}"
                raise TableError(problem, column=name)
            batch = _with(batch, name, _repeated(values, batch.num_rows))
        return batch

    def _of_one_type(self, values: Any, name: str) -> Any:
        import pyarrow as pa

        wanted = self._kept.setdefault(name, values.type)
        if values.type == wanted:
            return values
        try:
            return values.cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            problem = f"column {name!r}: {values.type} here, {wanted} in other files"
            raise TableError(problem, column=name) from error

    @contextlib.contextmanager
    def _opened(self, source: InputFile) -> Iterator[tuple[Any, Any]]:
        """Yields (file, decompressed stream)."""
        import pyarrow as pa

        with contextlib.ExitStack() as stack:
            try:
                if self.files.is_remote:
                    file = pa.PythonFile(self.files.fs.open(source.path, "rb"), mode="r")
                else:
                    file = pa.OSFile(source.path)
                stack.enter_context(file)
                stream = pa.CompressedInputStream(file, source.packing) if source.packing else file
            except (pa.ArrowException, OSError) as error:
                raise TableError(f"cannot be read: {error}") from error
            yield file, stream


@contextlib.contextmanager
def _named(source: InputFile) -> Iterator[None]:
    """Adds the file's name to errors."""
    import pyarrow as pa

    try:
        yield
    except TableError as error:
        placed = TableError(f"{source.name}: {error}", column=error.column, row=error.row, hint=error.hint)
        raise placed from error
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{source.name}: cannot be read: {' '.join(str(error).split())}") from error


def _with(batch: pa.RecordBatch, name: str, values: Any) -> pa.RecordBatch:
    place = batch.schema.get_field_index(name)
    if place < 0:
        return batch.append_column(name, values)
    return batch.set_column(place, name, values)


def _repeated(one: pa.Array, rows: int) -> pa.Array:
    import pyarrow as pa

    return one.take(pa.array([0] * rows, pa.int32()))


def _common(types: Sequence[pa.DataType]) -> pa.DataType:
    """Returns a type that holds all values, string if there is none."""
    import pyarrow as pa

    schemas = [pa.schema([("x", kind)]) for kind in types]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()
