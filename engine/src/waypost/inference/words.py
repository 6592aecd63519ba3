"""Text columns, weighted by words like scikit-learn's CountVectorizer and TfidfVectorizer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from waypost.inference.features import (
    Cells,
    Columns,
    Features,
    Kind,
    Row,
    Steps,
    Writer,
    code_of,
    value_error,
)
from waypost.inference.layout import Layout
from waypost.inference.table import Floats, Table, Texts, Values

if TYPE_CHECKING:
    import pyarrow as pa

# Limits for texts in the cache of words: number and length.
_MOST_TEXTS, _LONGEST_TEXT = 16_384, 256

WORD = r"(?u)\b\w\w+\b"


class Words(Columns):
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

    def writer(self, layout: Layout) -> Writer:  # noqa: ARG002 (common interface)
        return self._write

    def _write(self, table: Table, out: Features) -> None:
        out[:] = 0
        texts = table.texts[self.column]
        distinct, places = _unique(texts)
        weighed = np.zeros((len(distinct), self.width))
        rest: Any = range(len(distinct))
        if self._is_plain:
            rest = self._weigh_ascii(distinct, weighed)
        for index in rest:
            if (text := distinct[index]) is None:  # only then: finding its row takes as long as all rows
                text = self._given(None, int(np.argmax(places == index)))
            positions, weights = self._weigh(text)
            weighed[index, positions] = weights
        out[:] = weighed[places]

    def cells(self, layout: Layout, at: int, kind: Kind) -> Cells:  # noqa: ARG002 (common interface)
        place = layout.texts.index(self.column)
        remembered = self._weigh

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:  # noqa: ARG001 (common interface)
            text = self._given(texts[place], 0)
            weigh = remembered if len(text) <= _LONGEST_TEXT else self._weights_of
            for position, weight in zip(*weigh(text), strict=True):
                out[at + position] = weight

        return cells

    def plain_steps(self, layout: Layout, at: int) -> Steps:
        def weighed(text: str) -> bytes:
            return code_of(
                (at + place, weight) for place, weight in zip(*self._weights_of(text), strict=True)
            )

        remembered = lru_cache(maxsize=_MOST_TEXTS)(weighed)

        def code(text: str) -> bytes:
            return remembered(text) if len(text) <= _LONGEST_TEXT else weighed(text)

        missing = None if self.fill is None else weighed(self.fill)
        return Steps(texts=((layout.texts.index(self.column), {None: missing}, code),))

    def _given(self, text: str | None, row: int) -> str:
        if text is not None:
            return text
        if self.fill is None:
            raise value_error(self.column, row, "is missing")
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
        """Weighs the plain ASCII texts, all at once; returns the indices of the others."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pa.array(distinct, pa.string())
        is_ascii = pc.fill_null(pc.string_is_ascii(texts), False)
        is_plain = is_ascii.to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(is_plain)
        # In ASCII, words are separated by other characters; the vocabulary has none of one letter.
        lower = pc.ascii_lower(texts.filter(is_ascii))
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


def _unique(texts: pa.Array) -> tuple[list[str | None], NDArray[np.int64]]:
    """Returns (distinct texts, the index into them for each row)."""
    encoded = texts.dictionary_encode(null_encoding="encode")
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
