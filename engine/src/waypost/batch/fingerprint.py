"""What decides a result, and whether what lies in a folder is the same: told in words where it is not."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from waypost.batch.inputs import Source
from waypost.batch.output_folder import SCHEMA, File, Plan
from waypost.errors import UsageError, did_you_mean, redacted
from waypost.inference.dialect import Asked
from waypost.inference.fetching import FetchedModel

ROW, PREDICTION, PROBABILITY = "row", "prediction", "probability_"
ALL = "all"
ERROR_KEYS = (ROW, "file", "file_row", "column", "problem")
"""What a line of errors says beside the ids."""
MADE_WITH = ("numpy", "onnxruntime", "pyarrow")
_NEW = ("keep", "separator", "decimal", "encoding", "env")  # left out of a plan where nothing is said of them
_MOST_WORDS = 80


class Order(BaseModel):
    """What is wanted of each row, and in which form. `keep` are names of columns, or `all` alone."""

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
    """The environment that the model asks for, where it runs there."""

    @property
    def asked(self) -> Asked:
        """How a CSV is written, as far as that was said."""
        return Asked(separator=self.separator, decimal=self.decimal, encoding=self.encoding)

    @property
    def keeps_all(self) -> bool:
        """Whether all columns are carried over."""
        return self.keep == (ALL,)

    def carried(self, names: Sequence[str] = ()) -> tuple[str, ...]:
        """Returns the columns that are carried over, of an input that has these."""
        return tuple(dict.fromkeys((*self.ids, *(names if self.keeps_all else self.keep))))

    def check_names(self, carried: Sequence[str], answers: Sequence[str] = (PREDICTION,)) -> None:
        """Raises UsageError if a column that is carried over has the name of one beside it."""
        beside = set(answers) if self.ids else {*answers, ROW}
        for name in carried:
            if name in beside:
                hint = "give it another name in the input" if name != ROW else f"name it by --id {ROW}"
                raise UsageError(
                    f"{self._option_of(name)} {name}: the answer has a column of that name, too", hint=hint
                )
        for name in self.ids:
            if self.on_error == "skip" and name in ERROR_KEYS:
                hint = "carry it over by --keep, or give it another name in the input"
                raise UsageError(f"--id {name}: what is told of skipped rows has that name, too", hint=hint)

    def check_there(self, carried: Sequence[str], names: Sequence[str]) -> None:
        """Raises UsageError if a column that is carried over is not among the names of an input."""
        for name in carried:
            if name not in names:
                problem = f"{self._option_of(name)} {name}: no such column"
                raise UsageError(problem, hint=did_you_mean(name, names))

    def _option_of(self, name: str) -> str:
        return "--id" if name in self.ids else "--keep"

    def written(self) -> dict[str, Any]:
        """Returns what a plan says of it."""
        content = self.model_dump(mode="json")
        return {key: value for key, value in content.items() if value or key not in _NEW}


def plan_of(fetched: FetchedModel, sources: Sequence[Source], order: Order) -> dict[str, Any]:
    """Returns everything that decides a result: what was begun is gone on with only if it is the same."""
    return {
        "schema": SCHEMA,
        "model": {"label": fetched.label, "digest": fetched.digest},
        "order": order.written(),
        "inputs": [told(source) for source in sources],
        "made_with": made_with(),
    }


def made_with() -> dict[str, str]:
    """Returns the versions that the bytes of a result depend on."""
    return {name: version(name) for name in MADE_WITH}


def told(source: Source) -> dict[str, Any]:
    """Returns what a plan says of a file of the input."""
    return {"path": redacted(source.path), "size": source.size, "state": source.state}


def differences(known: Plan, now: Plan, digests: Mapping[int, tuple[str, str]]) -> Iterator[str]:
    """Yields what tells two results apart, in words: of what is known first what it was.

    Args: `digests` are (then, now) of the input's files by number. Where a file has one, it decides; else its
    size and state do.
    """
    if known.model != now.model:
        yield f"another model: {_model(known)}, now {_model(now)}"
    if changed := list(_orders(known.order, now.order)):
        yield f"another order: {', '.join(changed)}"
    if words := _inputs(known.inputs, now.inputs, digests):
        yield f"other inputs: {words}"
    for name, wanted in now.made_with.items():
        if (then := known.made_with.get(name)) != wanted:
            yield f"another {name}: {then}, now {wanted}"


def _model(plan: Plan) -> str:
    return f"{plan.model.get('label')} ({plan.model.get('digest', '')[:8]}…)"


def _orders(known: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yields the options that differ. What an older version does not say is as it is by itself."""
    try:
        before, after = Order.model_validate(known), Order.model_validate(now)
    except ValidationError:
        yield "of another version"
        return
    for name in Order.model_fields:
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
    """Returns in which way files differ, nothing where they do not."""
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
    """Returns the columns of `--keep A,B`; a name with a comma stands in quotes. Raises UsageError."""
    names = tuple(dict.fromkeys(name for row in csv.reader(given) for name in row if name))
    if ALL in names and len(names) > 1:
        raise UsageError(f"--keep {','.join(names)}: either some columns or {ALL}")
    return names


def sign_named(option: str, given: str | None) -> str | None:
    """Returns the sign that an option names. Raises UsageError."""
    sign = {"tab": "\t", "\\t": "\t"}.get(given or "", given)
    if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in '"\r\n'):
        raise UsageError(f"{option} {given}: one sign is expected, such as ';'")
    return sign


def encoding_named(option: str, given: str | None) -> str | None:
    """Returns the name of an encoding, as Python calls it. Raises UsageError."""
    try:
        return codecs.lookup(given).name if given else None
    except LookupError as error:
        raise UsageError(f"{option} {given}: there is no such encoding", hint="such as latin-1") from error
