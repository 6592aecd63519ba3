"""The fingerprint of a result, and its comparison with the one in a folder, in words."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from waypost.batch.inputs import InputFile
from waypost.batch.output_folder import SCHEMA, File, Plan
from waypost.errors import UsageError, did_you_mean, redacted
from waypost.inference.dialect import RequestedDialect
from waypost.inference.fetching import FetchedModel

ROW, PREDICTION, PROBABILITY = "row", "prediction", "probability_"
ALL = "all"
ERROR_KEYS = (ROW, "file", "file_row", "column", "problem")
"""Keys of a line of errors, without the ids."""
MADE_WITH = ("numpy", "onnxruntime", "pyarrow")
_NEW = ("keep", "separator", "decimal", "encoding", "env")  # omitted from a plan if not set
_MOST_WORDS = 80


class ScoringOptions(BaseModel):
    """The requested columns and their format. `keep` are names of columns, or `all` alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ids: tuple[str, ...] = ()
    probabilities: bool = False
    format: Literal["parquet", "csv"] = "parquet"
    part_rows: int = 16_384
    on_error: Literal["fail", "skip"] = "fail"
    keep: tuple[str, ...] = ()
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    env: str | None = None
    """The model's own environment, if it runs there."""

    @property
    def asked(self) -> RequestedDialect:
        """The options that set the dialect of a CSV."""
        return RequestedDialect(separator=self.separator, decimal=self.decimal, encoding=self.encoding)

    @property
    def keeps_all(self) -> bool:
        """Whether all columns are carried over."""
        return self.keep == (ALL,)

    def carried(self, names: Sequence[str] = ()) -> tuple[str, ...]:
        """Returns the carried-over columns of an input with these names."""
        return tuple(dict.fromkeys((*self.ids, *(names if self.keeps_all else self.keep))))

    def check_names(self, carried: Sequence[str], answers: Sequence[str] = (PREDICTION,)) -> None:
        """Raises UsageError if a carried-over column has the name of another output column."""
        beside = set(answers) if self.ids else {*answers, ROW}
        for name in carried:
            if name in beside:
                hint = "give it another name in the input" if name != ROW else f"use it as an id: --id {ROW}"
                raise UsageError(
                    f"{self._option_of(name)} {name}: the answer has a column of the same name", hint=hint
                )
        for name in self.ids:
            if self.on_error == "skip" and name in ERROR_KEYS:
                hint = "carry it over by --keep, or give it another name in the input"
                raise UsageError(f"--id {name}: lines of errors have a key of the same name", hint=hint)

    def check_there(self, carried: Sequence[str], names: Sequence[str]) -> None:
        """Raises UsageError if an input does not have a carried-over column."""
        for name in carried:
            if name not in names:
                problem = f"{self._option_of(name)} {name}: no such column"
                raise UsageError(problem, hint=did_you_mean(name, names))

    def _option_of(self, name: str) -> str:
        return "--id" if name in self.ids else "--keep"

    def written(self) -> dict[str, Any]:
        """Returns the options as a plan records them."""
        content = self.model_dump(mode="json")
        return {key: value for key, value in content.items() if value or key not in _NEW}


def plan_of(fetched: FetchedModel, sources: Sequence[InputFile], options: ScoringOptions) -> dict[str, Any]:
    """Returns everything that determines a result: a scoring continues only if it is unchanged."""
    return {
        "schema": SCHEMA,
        "model": {"label": fetched.label, "digest": fetched.digest},
        "order": options.written(),
        "inputs": [told(source) for source in sources],
        "made_with": made_with(),
    }


def made_with() -> dict[str, str]:
    """Returns the versions of packages on which the bytes of a result depend."""
    return {name: version(name) for name in MADE_WITH}


def told(source: InputFile) -> dict[str, Any]:
    """Returns a file of the input as a plan records it."""
    return {"path": redacted(source.path), "size": source.size, "state": source.state}


def differences(known: Plan, now: Plan, digests: Mapping[int, tuple[str, str]]) -> Iterator[str]:
    """Yields the differences between two plans in words, the known state first.

    Args: `digests` are (then, now) of the input's files by number. Files without a digest are compared by
    size and state.
    """
    if known.model != now.model:
        yield f"a different model: {_model(known)}, now {_model(now)}"
    if changed := list(_orders(known.order, now.order)):
        yield f"different options: {', '.join(changed)}"
    if words := _inputs(known.inputs, now.inputs, digests):
        yield f"other inputs: {words}"
    for name, wanted in now.made_with.items():
        if (then := known.made_with.get(name)) != wanted:
            yield f"a different {name}: {then}, now {wanted}"


def _model(plan: Plan) -> str:
    return f"{plan.model.get('label')} ({plan.model.get('digest', '')[:8]}…)"


def _orders(known: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yields the options that differ. Options that an older version did not record have their defaults."""
    try:
        before, after = ScoringOptions.model_validate(known), ScoringOptions.model_validate(now)
    except ValidationError:
        yield "of another version"
        return
    for name in ScoringOptions.model_fields:
        then, wanted = getattr(before, name), getattr(after, name)
        if then != wanted:
            yield f"{_option(name, then)}, now {_option(name, wanted)}"


def _option(name: str, value: Any) -> str:
    option = "--id" if name == "ids" else f"--{name.replace('_', '-')}"
    match value:
        case None | False | ():
            return f"no {option}"
        case True:
            return option
        case tuple():
            return f"{option} {_short(', '.join(value))}"
        case _:
            return f"{option} {_short(str(value))}"


def _short(text: str) -> str:
    return text if len(text) <= _MOST_WORDS else f"{text[: _MOST_WORDS - 1]}…"


def _inputs(known: Sequence[File], now: Sequence[File], digests: Mapping[int, tuple[str, str]]) -> str:
    """Returns how files differ, empty if they do not."""
    if len(known) != len(now):
        return f"{len(known):,} files, now {len(now):,}"
    for number, (then, wanted) in enumerate(zip(known, now, strict=True)):
        if then.path != wanted.path:
            return f"{_short(then.path)}, now {_short(wanted.path)}"
        before, after = digests.get(number, (then.state, wanted.state))
        if before != after or (number not in digests and then.size != wanted.size):
            return f"{_short(then.path)} has changed"
    return ""


def names_in(given: Sequence[str]) -> tuple[str, ...]:
    """Returns the columns of `--keep A,B`; a name with a comma is quoted. Raises UsageError."""
    names = tuple(dict.fromkeys(name for row in csv.reader(given) for name in row if name))
    if ALL in names and len(names) > 1:
        raise UsageError(f"--keep {','.join(names)}: either some columns or {ALL}")
    return names


def sign_named(option: str, given: str | None) -> str | None:
    """Returns the character that an option names. Raises UsageError."""
    sign = {"tab": "\t", "\\t": "\t"}.get(given or "", given)
    if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in '"\r\n'):
        raise UsageError(f"{option} {given}: expected one character, such as ';'")
    return sign


def encoding_named(option: str, given: str | None) -> str | None:
    """Returns Python's name of an encoding. Raises UsageError."""
    try:
        return codecs.lookup(given).name if given else None
    except LookupError as error:
        raise UsageError(f"{option} {given}: unknown encoding", hint="such as latin-1") from error
