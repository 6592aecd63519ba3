"""Preprocessing as a value: what a fitted scikit-learn ColumnTransformer does, in NumPy and Arrow.

Each part gives its columns of the matrix exactly as scikit-learn would, to the last bit: the same
operations in the same order in float64, then rounded to float32. It does so in two ways: for a table, column
by column, a text looked up once per distinct value; and for a single row in plain Python, which answers
before NumPy would have begun. The proof compares both with the original.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from waypost.inference.layout import Layout, TableError
from waypost.inference.table import Floats, Table, Texts, Values

if TYPE_CHECKING:
    import pyarrow as pa

Features = NDArray[np.float32]
Writer = Callable[[Table, Features], None]
"""Writes the features of a table into its columns of the matrix."""
Cells = Callable[[Values, Texts], list[float]]
"""Returns the features of one row, from its numbers and its texts."""

# Texts whose words are remembered: so many, and no longer ones.
_MOST_TEXTS, _LONGEST_TEXT = 16_384, 256
TOO_LARGE = 2.0**128 - 2.0**103
"""From here on a float64 is rounded to an infinite float32, which scikit-learn's trees refuse."""

_INFINITE = (float("inf"), float("-inf"))

WORD = r"(?u)\b\w\w+\b"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))


class Numbers(_Part):
    """Number columns, filled where missing, then `(x - subtract) / divide`.

    Where all of them are of 32 bits (`single`), each step is rounded to that. With `missing`, a value that is
    missing and not filled is NaN, which the trees know the way of.
    Source: scikit-learn's SimpleImputer and StandardScaler.
    """

    kind: Literal["numbers"] = "numbers"
    columns: list[str]
    fill: list[float] | None = None
    subtract: list[float] | None = None
    divide: list[float] | None = None
    single: bool = False
    missing: bool = False

    @property
    def width(self) -> int:
        return len(self.columns)

    def writer(self, layout: Layout) -> Writer:
        none: list[float | None] = [None] * self.width
        places = [layout.numbers.index(name) for name in self.columns]
        constants = (self.fill or none, self.subtract or none, self.divide or none)
        plan = list(zip(places, *constants, strict=True))

        def write(table: Table, out: Features) -> None:
            # Column by column: what is worked on stays in the processor's cache.
            for column, (place, fill, subtract, divide) in enumerate(plan):
                values = table.numbers[:, place]
                missing = np.isnan(values)
                if fill is not None:
                    values = np.where(missing, fill, values)
                elif not self.missing and missing.any():
                    raise _value_error(self.columns[column], int(np.argmax(missing)), "is missing")
                if subtract is not None:
                    values = self._rounded(values - subtract)
                if divide is not None:
                    values = values / divide
                out[:, column] = values

        return write

    def _rounded(self, values: Floats) -> Floats:
        return values.astype(np.float32).astype(np.float64) if self.single else values

    def cells(self, layout: Layout) -> Cells:
        if self.single or self.missing:
            return self._plain_cells(layout)
        places = [layout.numbers.index(name) for name in self.columns]
        none = [None] * self.width
        plan = list(
            zip(
                places,
                self.fill or none,
                self.subtract or [0.0] * self.width,
                self.divide or [1.0] * self.width,
                strict=True,
            )
        )

        def cells(values: Values, texts: Texts) -> list[float]:  # noqa: ARG001 (one form for all)
            try:
                found = [
                    ((fill if (value := values[place]) is None else value) - subtract) / divide  # type: ignore[operator]
                    for place, fill, subtract, divide in plan
                ]
            except TypeError:
                place = next(place for place, fill, *_ in plan if values[place] is None and fill is None)
                raise _value_error(layout.numbers[place], 0, "is missing") from None
            if max(found) >= TOO_LARGE or min(found) <= -TOO_LARGE:
                at = max(range(len(found)), key=lambda i: abs(found[i]))
                raise _value_error(self.columns[at], 0, "is too large")
            return found

        return cells

    def _plain_cells(self, layout: Layout) -> Cells:
        """Returns the same for values that are rounded on the way, or missing on purpose."""
        write = self.writer(layout)
        places = [layout.numbers.index(name) for name in self.columns]

        def cells(values: Values, texts: Texts) -> list[float]:  # noqa: ARG001 (one form for all)
            out = np.empty((1, self.width), dtype=np.float32)
            with np.errstate(over="ignore"):
                write(Table(np.array([values], dtype=np.float64), {}), out)
            found: list[float] = out[0].tolist()
            for place, value in zip(places, found, strict=True):
                if math.isinf(value):
                    raise _value_error(layout.numbers[place], 0, "is too large")
            return found

        return cells


class Codes(_Part):
    """Text columns as the number of their category, -1 for one that is not known (OrdinalEncoder)."""

    kind: Literal["codes"] = "codes"
    columns: list[str]
    categories: list[list[str]]
    fill: str | None = None

    @property
    def width(self) -> int:
        return len(self.columns)

    def writer(self, layout: Layout) -> Writer:  # noqa: ARG002 (one form for all)
        named = list(zip(self.columns, self._known, strict=True))

        def write(table: Table, out: Features) -> None:
            out[:] = np.array([of.codes(table.texts[name]) for name, of in named]).T

        return write

    def cells(self, layout: Layout) -> Cells:
        places = [layout.texts.index(name) for name in self.columns]
        plan = [(place, known.code) for place, known in zip(places, self._known, strict=True)]
        return lambda values, texts: [code(texts[place], -1) for place, code in plan]  # noqa: ARG005

    @cached_property
    def _known(self) -> list[Known]:
        return [Known(values, self.fill) for values in self.categories]


class OneHot(_Part):
    """Text columns as one column per category, all 0 for one that is not known (OneHotEncoder)."""

    kind: Literal["onehot"] = "onehot"
    columns: list[str]
    categories: list[list[str]]
    fill: str | None = None

    @property
    def width(self) -> int:
        return sum(map(len, self.categories))

    def writer(self, layout: Layout) -> Writer:  # noqa: ARG002 (one form for all)
        named = list(zip(self.columns, self._known, strict=True))

        def write(table: Table, out: Features) -> None:
            out[:] = 0
            for name, of in named:
                codes = of.codes(table.texts[name])
                rows = np.flatnonzero(codes >= 0)
                out[rows, codes[rows]] = 1

        return write

    def cells(self, layout: Layout) -> Cells:
        places = [layout.texts.index(name) for name in self.columns]
        plan = [(place, known.code) for place, known in zip(places, self._known, strict=True)]
        nothing = [0.0] * self.width

        def cells(values: Values, texts: Texts) -> list[float]:  # noqa: ARG001 (one form for all)
            found = nothing.copy()
            for place, code in plan:
                if (position := code(texts[place], -1)) >= 0:
                    found[position] = 1.0
            return found

        return cells

    @cached_property
    def _known(self) -> list[Known]:
        starts = np.cumsum([0, *map(len, self.categories)]).tolist()
        pairs = zip(self.categories, starts, strict=False)
        return [Known(values, self.fill, start) for values, start in pairs]


class NumberCategories(_Part):
    """Number columns as the number of their category, -1 for one that is not known (OrdinalEncoder).

    `spread`: as one column per category, all 0 for one that is not known (OneHotEncoder). `fill` counts in
    the place of a missing number; without it a missing one is not known.
    """

    kind: Literal["number_categories"] = "number_categories"
    columns: list[str]
    categories: list[list[float]]
    fill: float | None = None
    spread: bool = False

    @property
    def width(self) -> int:
        return self._starts[-1] if self.spread else len(self.columns)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(map(len, self.categories))]

    def writer(self, layout: Layout) -> Writer:
        places = [layout.numbers.index(name) for name in self.columns]
        known = [np.array(values) for values in self.categories]
        plan = list(zip(places, self.columns, known, self._starts, strict=False))

        def write(table: Table, out: Features) -> None:
            out[:] = 0 if self.spread else -1
            for at, (place, name, values, start) in enumerate(plan):
                codes = self._codes(table.numbers[:, place], values, name)
                rows = np.flatnonzero(codes >= 0)
                if self.spread:
                    out[rows, start + codes[rows]] = 1
                else:
                    out[rows, at] = codes[rows]

        return write

    def _codes(self, numbers: Floats, values: Floats, name: str) -> NDArray[np.int64]:
        if (infinite := np.isinf(numbers)).any():
            raise _value_error(name, int(np.argmax(infinite)), "is infinite")
        if self.fill is not None:
            numbers = np.where(np.isnan(numbers), self.fill, numbers)
        codes = np.searchsorted(values, numbers).clip(max=len(values) - 1)
        return np.where(values[codes] == numbers, codes, -1)

    def cells(self, layout: Layout) -> Cells:
        places = [layout.numbers.index(name) for name in self.columns]
        known = [{value: code for code, value in enumerate(values)} for values in self.categories]
        plan = list(zip(places, self.columns, known, self._starts, strict=False))
        nothing = [0.0] * self.width if self.spread else [-1.0] * self.width
        fill = self.fill

        def cells(values: Values, texts: Texts) -> list[float]:  # noqa: ARG001 (one form for all)
            found = nothing.copy()
            for at, (place, name, codes, start) in enumerate(plan):
                value = fill if (given := values[place]) is None else float(given)
                if value in _INFINITE:
                    raise _value_error(name, 0, "is infinite")
                if value is not None and (code := codes.get(value)) is not None:
                    found[start + code if self.spread else at] = 1.0 if self.spread else code
            return found

        return cells


class Known:
    """The categories of one column, numbered from `start`."""

    def __init__(self, categories: Sequence[str], fill: str | None, start: int = 0) -> None:
        self._categories = categories
        self._start = start
        self._codes: dict[Any, int] = {name: code for code, name in enumerate(categories, start)}
        self._codes[None] = self._codes.get(fill, -1)

    @property
    def code(self) -> Callable[[str | None, int], int]:
        """Returns the function from a text to its category; its second argument is for one not known."""
        return self._codes.get

    @cached_property
    def _set(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self._categories, pa.string())

    def codes(self, texts: pa.Array) -> NDArray[np.int32]:
        """Returns the category of each text, -1 for one that is not known."""
        import pyarrow.compute as pc

        found = pc.fill_null(pc.index_in(texts, value_set=self._set), -1).to_numpy(zero_copy_only=False)
        codes = np.where(found >= 0, found + self._start, -1) if self._start else found
        if texts.null_count and self._codes[None] >= 0:
            is_null = texts.is_null().to_numpy(zero_copy_only=False)
            codes = np.where(is_null, self._codes[None], codes)
        return codes


class Words(_Part):
    """A text column as weights of its words (TfidfVectorizer, CountVectorizer).

    weights: inverse document frequencies, None for plain counts.
    """

    kind: Literal["words"] = "words"
    column: str
    fill: str | None = None
    vocabulary: dict[str, int]
    weights: list[float] | None = None
    pattern: str = WORD
    lowercase: bool = True
    ngrams: tuple[int, int] = (1, 1)
    stop_words: list[str] = []
    binary: bool = False
    sublinear: bool = False
    norm: Literal["l1", "l2"] | None = None

    @property
    def width(self) -> int:
        return len(self.vocabulary)

    def writer(self, layout: Layout) -> Writer:  # noqa: ARG002 (one form for all)
        return self._write

    def _write(self, table: Table, out: Features) -> None:
        out[:] = 0
        texts = table.texts[self.column]
        distinct, places = _distinct(texts)
        weighed = np.zeros((len(distinct), self.width))
        rest: Any = range(len(distinct))
        if self._is_plain:
            rest = self._weigh_ascii(distinct, weighed)
        for index in rest:
            if (text := distinct[index]) is None:  # only then: looking for its row takes as long as all rows
                text = self._given(None, int(np.argmax(places == index)))
            positions, weights = self._weigh(text)
            weighed[index, positions] = weights
        out[:] = weighed[places]

    def cells(self, layout: Layout) -> Cells:
        place = layout.texts.index(self.column)
        nothing = [0.0] * self.width
        remembered = self._weigh

        def cells(values: Values, texts: Texts) -> list[float]:  # noqa: ARG001 (one form for all)
            found = nothing.copy()
            text = self._given(texts[place], 0)
            weigh = remembered if len(text) <= _LONGEST_TEXT else self._weights_of
            for position, weight in zip(*weigh(text), strict=True):
                found[position] = weight
            return found

        return cells

    def _given(self, text: str | None, row: int) -> str:
        if text is not None:
            return text
        if self.fill is None:
            raise _value_error(self.column, row, "is missing")
        return self.fill

    @cached_property
    def _is_plain(self) -> bool:
        simple = self.pattern == WORD and self.lowercase and self.ngrams == (1, 1) and not self.stop_words
        return simple and all(re.fullmatch(r"\w\w+", term) for term in self.vocabulary)

    @cached_property
    def _weigh(self) -> Any:
        return lru_cache(maxsize=_MOST_TEXTS)(self._weights_of)

    def _weights_of(self, text: str) -> tuple[list[int], list[float]]:
        """Returns (positions, weights) of the words of one text, by position."""
        found: dict[int, int] = {}
        vocabulary = self.vocabulary
        for term in self._terms(text):
            if (position := vocabulary.get(term)) is not None:
                found[position] = found.get(position, 0) + 1
        positions = sorted(found)
        rows = np.zeros(len(positions), dtype=np.int64)
        counts = np.array([found[p] for p in positions], dtype=np.float64)
        return positions, self._weighted(rows, np.array(positions, dtype=np.int64), counts, 1).tolist()

    def _terms(self, text: str) -> Iterator[str]:
        words = self._pattern.findall(text.lower() if self.lowercase else text)
        if self.stop_words:
            words = [word for word in words if word not in self._stop_words]
        least, most = self.ngrams
        for length in range(least, most + 1):
            if length == 1:
                yield from words
            else:
                yield from (" ".join(words[i : i + length]) for i in range(len(words) - length + 1))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    @cached_property
    def _stop_words(self) -> frozenset[str]:
        return frozenset(self.stop_words)

    @cached_property
    def _terms_by_position(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(sorted(self.vocabulary, key=self.vocabulary.__getitem__), pa.string())

    def _weigh_ascii(self, distinct: list[str | None], out: Floats) -> NDArray[np.int64]:
        """Weighs the texts that are plain ASCII, all at once; returns the indices of the others."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pa.array(distinct, pa.string())
        is_plain = pc.fill_null(pc.string_is_ascii(texts), False).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(is_plain)
        # Within ASCII a word is what lies between other signs; the vocabulary holds none of one letter.
        lower = pc.ascii_lower(texts.take(pa.array(rows)))
        parts = pc.split_pattern_regex(lower, "[^0-9a-z_]+")
        owners = np.repeat(rows, np.diff(parts.offsets.to_numpy()))
        found = pc.index_in(parts.flatten(), value_set=self._terms_by_position)
        known = pc.is_valid(found).to_numpy(zero_copy_only=False)
        positions = found.drop_null().to_numpy()
        cells, counts = np.unique(owners[known] * self.width + positions, return_counts=True)
        owner, position = np.divmod(cells, self.width)
        weights = self._weighted(owner, position, counts.astype(np.float64), len(distinct))
        out[owner, position] = weights
        return np.flatnonzero(~is_plain)

    def _weighted(
        self, rows: NDArray[np.int64], positions: NDArray[np.int64], counts: Floats, total: int
    ) -> Floats:
        """Returns the weight of each count; sums run in the order of positions, as in scikit-learn."""
        values = np.ones_like(counts) if self.binary else counts
        if self.sublinear:
            values = np.log(values) + 1.0
        if self._idf is not None:
            values = values * self._idf[positions]
        if self.norm is None:
            return values
        parts = values * values if self.norm == "l2" else np.abs(values)
        sums = np.bincount(rows, weights=parts, minlength=total)
        lengths = (np.sqrt(sums) if self.norm == "l2" else sums)[rows]
        return np.divide(values, lengths, out=np.zeros_like(values), where=lengths != 0)

    @cached_property
    def _idf(self) -> Floats | None:
        return None if self.weights is None else np.array(self.weights)


Part = Annotated[Numbers | Codes | OneHot | NumberCategories | Words, Field(discriminator="kind")]


class Plan(BaseModel):
    """All parts, side by side. `width` is the matrix's number of columns."""

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    parts: list[Part]

    @cached_property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    @cached_property
    def categories(self) -> dict[str, list[Any]]:
        """The values that a column's encoder knows, by column."""
        found: dict[str, list[Any]] = {}
        for part in self.parts:
            if isinstance(part, Codes | OneHot | NumberCategories):
                found |= zip(part.columns, part.categories, strict=True)
        return found

    @cached_property
    def _slices(self) -> list[slice]:
        ends = np.cumsum([0, *(part.width for part in self.parts)]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def bound(self, layout: Layout) -> Callable[[Table], Features]:
        """Returns the function from tables in a layout to features, shape (rows, width), rounded to
        float32 as scikit-learn's trees see them; what is too large for that becomes infinite.

        It raises TableError for a value that has no place.
        """
        writers = [
            (part.writer(layout), columns) for part, columns in zip(self.parts, self._slices, strict=True)
        ]

        def matrix(table: Table) -> Features:
            out = np.empty((len(table), self.width), dtype=np.float32)
            for write, columns in writers:
                write(table, out[:, columns])
            return out

        return matrix

    def bound_cells(self, layout: Layout) -> Cells:
        """Returns the function from a row in a layout to its features, none of them too large for float32.

        It raises TableError for a value that has no place.
        """
        cells = [part.cells(layout) for part in self.parts]

        def row(values: Values, texts: Texts) -> list[float]:
            found = []
            for part in cells:
                found += part(values, texts)
            return found

        return row


def _distinct(texts: pa.Array) -> tuple[list[str | None], NDArray[np.int64]]:
    """Returns (distinct texts, the index into them for each row)."""
    encoded = texts.dictionary_encode(null_encoding="encode")
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def _value_error(column: str, row: int, problem: str) -> TableError:
    return TableError(f"column {column!r}, row {row}: the value {problem}", column=column, row=row)
