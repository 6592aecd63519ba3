"""From input rows to output rows: answers with the carried-over columns, and the errors of the other rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from waypost.batch.fingerprint import PREDICTION, PROBABILITY, ROW, ScoringOptions
from waypost.batch.parts import errors_name, part_name
from waypost.batch.pieces import ColumnSelection
from waypost.batch.readers import Input
from waypost.errors import UsageError, WaypostError
from waypost.inference.compiled import Answer
from waypost.inference.delimited import type_of
from waypost.inference.layout import TableError
from waypost.inference.model_cache import ReadyModel

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 16_384  # rows per call of the model


@dataclass(frozen=True)
class Content:
    """The output of a part: its files by name, errors before answers; numbers of answered and skipped
    rows.
    """

    files: dict[str, Any]
    rows: int
    skipped: int


@dataclass
class RowScorer:
    """Scores rows with a model. Thread-safe."""

    model: ReadyModel
    given: Input
    options: ScoringOptions

    @property
    def _wanted(self) -> ColumnSelection:
        return self.given.wanted

    def part(self, number: int, rows: pa.Table) -> Content:
        """Returns the output of a part's rows."""
        problems: list[dict[str, Any]] = []
        answered = self.table(rows, number * self.options.part_rows, problems)
        files: dict[str, Any] = {}
        if problems:
            lines = [orjson.dumps(problem, option=orjson.OPT_APPEND_NEWLINE) for problem in problems]
            files[errors_name(number)] = b"".join(lines)
        files[part_name(number, self.options)] = encoded(answered, self.options.format)
        return Content(files, rows.num_rows - len(problems), len(problems))

    def table(self, rows: pa.Table, first: int, problems: list[dict[str, Any]]) -> pa.Table:
        """Returns the output of rows that start at number `first`; appends skipped rows to `problems`."""
        import pyarrow as pa

        starts = range(0, max(rows.num_rows, 1), _BLOCK_ROWS)
        blocks = [self._block(rows.slice(start, _BLOCK_ROWS), first + start, problems) for start in starts]
        return pa.concat_tables(blocks)

    def _block(self, rows: pa.Table, first: int, problems: list[dict[str, Any]]) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        numbers = np.arange(first, first + rows.num_rows)
        if self.options.on_error == "fail":
            return self._written(rows, numbers, self._all(rows, first))
        answers, kept = self._some(rows, first, problems)
        return self._written(rows.take(pa.array(kept, pa.int64())), numbers[kept], answers)

    def _all(self, rows: pa.Table, first: int) -> list[Answer]:
        """Returns the answers to all rows. Raises TableError with file and row if one has no answer."""
        if not rows.num_rows:
            return []
        try:
            return [self._answer(rows)]
        except TableError as error:
            file, row = self.given.place_of(first + (error.row or 0))
            placed = error if error.row is None else error.at_row(row)
            message = f"{file}: {placed}"
            raise TableError(message, column=error.column, row=error.row, hint=error.hint) from error

    def _some(
        self, rows: pa.Table, first: int, problems: list[dict[str, Any]]
    ) -> tuple[list[Answer], list[int]]:
        """Returns (answers, positions of the answered rows); appends the other rows to `problems`."""
        wrong = {place: self.given.problems.get(first + place) for place in range(rows.num_rows)}
        found = [self._told(rows, first, p, problem.error(0)) for p, problem in wrong.items() if problem]
        kept: list[int] = []
        answers: list[Answer] = []
        left = [[place for place, problem in wrong.items() if problem is None]]
        while left:
            places = left.pop()
            if not places:
                continue
            try:
                answers.append(self._asked(rows, places))
                kept += places
            except TableError as error:
                if error.row is None and len(places) > 1:
                    middle = len(places) // 2
                    left += [places[middle:], places[:middle]]
                    continue
                at = error.row or 0
                found.append(self._told(rows, first, places[at], error))
                # Rows before the error have no known problem; both sides are asked again.
                left += [places[at + 1 :], places[:at]]
        problems += sorted(found, key=lambda problem: int(problem[ROW]))
        return answers, kept

    def _asked(self, rows: pa.Table, places: list[int]) -> Answer:
        import pyarrow as pa

        is_all = len(places) == rows.num_rows
        return self._answer(rows if is_all else rows.take(pa.array(places, pa.int64())))

    def _answer(self, rows: pa.Table) -> Answer:
        """Returns the model's answers, without passing it carried-over columns."""
        return self.model.answers.of_table(rows.select(self._wanted.asked_of(rows.schema.names)))

    def _told(self, rows: pa.Table, first: int, place: int, error: TableError) -> dict[str, Any]:
        """Returns a line of the errors file."""
        file, row = self.given.place_of(first + place)
        ids = {name: str(rows[self._wanted.kept_as(name)][place]) for name in self.options.ids}
        where = {ROW: first + place, "file": file, "file_row": row}
        return {**where, **ids, "column": error.column, "problem": str(error.at_row(row))}

    def _written(self, rows: pa.Table, numbers: Any, answers: Sequence[Answer]) -> pa.Table:
        import pyarrow as pa

        carried = {name: rows[self._wanted.kept_as(name)] for name in self.given.carried}
        if not self.options.ids:
            carried = {ROW: pa.array(numbers), **carried}
        columns = dict(self._answers(answers))
        self.options.check_names(list(self.given.carried), list(columns))
        return pa.table({**carried, **columns})

    def _answers(self, answers: Sequence[Answer]) -> Iterator[tuple[str, Any]]:
        """Yields the columns of an answer: predictions, and probabilities if requested."""
        import numpy as np

        labels = [label for answer in answers for label in answer.labels.tolist()]
        if labels and all(isinstance(label, dict) for label in labels):
            yield from _of_records(labels)
        else:
            yield PREDICTION, self._of_labels(labels)
        if self.options.probabilities:
            classes = self._classes()
            chances = [answer.probabilities for answer in answers] or [np.empty((0, len(classes)))]
            table = np.concatenate(chances)
            for position, name in enumerate(classes):
                yield f"{PROBABILITY}{name}", np.ascontiguousarray(table[:, position])

    def _classes(self) -> list[Any]:
        """Returns the classes of a model. Raises UsageError if it has no class probabilities."""
        classes = self.model.answers.classes
        if classes is None:
            problem = "--probabilities: this model has none, or several targets"
            raise UsageError(problem, hint="leave it out")
        return list(classes.tolist())

    def _of_labels(self, labels: list[Any]) -> pa.Array:
        """Returns labels as a column; an empty one has the type of the model's labels."""
        import pyarrow as pa

        if labels:
            return _column(PREDICTION, labels)
        classes = self.model.answers.classes
        if classes is not None:
            return pa.array(classes.tolist()).slice(0, 0)
        outputs = self.model.mlmodel.outputs
        return pa.array([], type_of(outputs[0].type) if len(outputs) == 1 else pa.float64())


def _of_records(records: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yields the columns of answers that are records."""
    for name in dict.fromkeys(name for record in records for name in record):
        yield str(name), _column(str(name), [record.get(name) for record in records])


def _column(name: str, values: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        words = " ".join(str(error).split())
        raise WaypostError(f"the model's answers cannot be a column {name!r}: {words}") from error


def encoded(table: pa.Table, form: str) -> pa.Buffer:
    """Returns a table as the content of a file, the same bytes for the same rows. Raises UsageError."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    out = pa.BufferOutputStream()
    try:
        if form == "csv":
            csv.write_csv(table, out)
        else:
            pq.write_table(table.combine_chunks(), out, compression="zstd")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        words = " ".join(str(error).split())
        hint = "write Parquet: --format parquet" if form == "csv" else ""
        raise UsageError(f"the answers cannot be written as {form}: {words}", hint=hint) from error
    return out.getvalue()
