"""Models ready to answer: compiled once per content into the cache, with the proof beside them."""

from __future__ import annotations

import importlib.metadata
import json
import operator
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from waypost.contracts.digests import digest_of
from waypost.contracts.mlmodel import FILE, MLmodel, parse_mlmodel
from waypost.deploy.compiled import Answer, Compiled, Content
from waypost.deploy.compiling import NotCompilableError, compiled_form
from waypost.deploy.forest import Stored
from waypost.deploy.proof import Proof, Rows, frame_of, prove
from waypost.deploy.table import Layout, Table, TableError
from waypost.deploy.table import Rows as TableRows
from waypost.errors import UsageError, WaypostError
from waypost.sources.files import content_digest, read_text
from waypost.sources.places import home
from waypost.tracking import models

_FORM = 3
"""Raised with every change of what is stored or compared: what an older engine compiled is made again."""

_CONTENT, _PROOF = "content.json", "proof.json"
# What skops may build without being asked: none of them runs code that a file brings.
_HARMLESS = {"numpy.dtype", "numpy.ravel", "sklearn.tree._tree.Tree"}
# Calls a method of a table by its name: harmless only for the method below.
_CALLER, _METHOD = "operator.methodcaller", "fillna"
_SERVED_WITH = ("onnxruntime", "numpy", "pyarrow")


class Original:
    """The model as it was logged, behind the same face as its compiled form."""

    def __init__(self, model: Any, layout: Layout) -> None:
        self.layout = layout
        self._model = model

    @cached_property
    def classes(self) -> Any:
        found = getattr(self._model, "classes_", None)
        return None if found is None else np.asarray(found)

    def warm(self) -> None:
        """There is nothing to make ready."""

    def predict(self, table: Table | TableRows) -> Answer:
        """Returns the answer for each row; a model that is no classifier has no probabilities.

        Raises TableError with the model's own words where it refuses the rows.
        """
        frame = self._frame(table.table())
        try:
            labels = np.asarray(self._model.predict(frame))
            has_classes = hasattr(self._model, "predict_proba")
            chances = self._model.predict_proba(frame) if has_classes else np.empty((len(labels), 0))
        except Exception as error:  # whatever a model raises about the rows that it is given
            words = " ".join(str(error).split())[:300]
            raise TableError(f"the model refuses the rows: {words}") from error
        return Answer(labels, chances)

    def _frame(self, table: Table) -> Any:
        rows: Rows = {name: table.numbers[:, i].tolist() for i, name in enumerate(self.layout.numbers)}
        rows |= {name: texts.to_pylist() for name, texts in table.texts.items()}
        return frame_of(rows, self.layout.columns)


@dataclass(frozen=True)
class Ready:
    """A model that answers. `digest` is that of its files; `proof` says whether it is compiled."""

    folder: Path
    digest: str
    said: MLmodel
    proof: Proof
    answers: Compiled | Original


def ready(
    folder: Path,
    *,
    is_trusted: bool = False,
    rows: Rows | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Ready:
    """Returns a model, compiled where that is proved equal, else the original.

    `rows` are real rows to compare on, beside the model's own input example. Raises UsageError where
    loading the model would run code that it brings and it is not trusted.
    """
    said = parse_mlmodel(read_text(folder / FILE), str(folder / FILE))
    if not said.inputs:
        raise UsageError(f"{folder}: the model's signature names no columns", hint="log it with a signature")
    digest = content_digest(folder)
    place = _place(digest)
    layout = Layout(said.inputs)
    wanted = max((len(values) for values in (rows or {}).values()), default=0)
    if _proof_in(place, wanted) is None:
        _compile(folder, said, place, layout, is_trusted=is_trusted, rows=rows, wanted=wanted, say=say)
    proof = Proof.model_validate_json(read_text(place / _PROOF))
    if proof.is_equal:
        content = Content.model_validate_json(read_text(place / _CONTENT))
        answers = Compiled(content, Stored.load(place), layout)
        return Ready(folder, digest, said, proof, answers)
    original = load(folder, said, is_trusted=is_trusted)
    return Ready(folder, digest, said, proof, Original(original, layout))


def compiled_before(digest: str) -> bool:
    """Tells whether a model with this digest can answer without being compiled first."""
    return (_place(digest) / _PROOF).is_file()


def load(folder: Path, said: MLmodel, *, is_trusted: bool = False) -> Any:
    """Returns the original: a scikit-learn estimator, or a pyfunc for any other flavour.

    Raises UsageError where loading or asking it may run code that it brings, and it is not trusted.
    """
    if is_trusted:
        return models.load_sklearn(folder) if said.sklearn else models.load_pyfunc(folder)
    if problem := _danger_of_loading(folder, said):
        raise _not_trusted(folder, problem)
    model = models.load_sklearn(folder)
    if wrong := sorted({name for name in _methods_called(model) if name != _METHOD}):
        raise _not_trusted(folder, f"it calls {', '.join(wrong)} of the table that it is asked about")
    return model


def _danger_of_loading(folder: Path, said: MLmodel) -> str:
    sklearn = said.sklearn
    if sklearn is None:
        return f"it is a model of the flavour {', '.join(sorted(said.flavors))}"
    if sklearn.serialization_format != "skops":
        return f"it is stored as {sklearn.serialization_format}"
    if sklearn.code:
        return "it brings code of its own"
    import skops.io

    # What the file holds counts, not what the model says of itself.
    found = skops.io.get_untrusted_types(file=folder / sklearn.pickled_model)
    unknown = sorted(set(found) - _HARMLESS - {_CALLER})
    return f"it asks to build {', '.join(unknown)}" if unknown else ""


def _not_trusted(folder: Path, problem: str) -> UsageError:
    hint = "if you know where it comes from: --trust"
    return UsageError(f"{folder}: {problem}, which may run any code", hint=hint)


def _methods_called(model: Any) -> Iterator[str]:
    """Gives the names of the methods that a model's parts call by name, wherever they hide."""
    seen: set[int] = set()
    left = [model]
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, operator.methodcaller):
            yield str(part.__reduce__()[1][0])
        elif isinstance(part, dict):
            left += [*part, *part.values()]
        elif isinstance(part, (list, tuple, set, frozenset)):
            left += part
        elif isinstance(part, np.ndarray):
            left += part.ravel().tolist() if part.dtype == object else []
        else:
            left += getattr(part, "__dict__", {}).values()


def _place(digest: str) -> Path:
    version = importlib.metadata.version("onnxruntime")
    key = digest_of({"form": _FORM, "model": digest, "onnxruntime": version})[:32]
    return home() / "compiled" / key


def _proof_in(place: Path, rows: int) -> Proof | None:
    """Returns the proof of a compiled form, None where there is none, or it compared fewer real rows."""
    file = place / _PROOF
    proof = Proof.model_validate_json(read_text(file)) if file.is_file() else None
    return proof if proof and (proof.rows >= rows or not proof.is_equal) else None


def _compile(
    folder: Path,
    said: MLmodel,
    place: Path,
    layout: Layout,
    *,
    is_trusted: bool,
    rows: Rows | None,
    wanted: int,
    say: Callable[[str], None],
) -> None:
    """Compiles, compares and stores; one process does, the others wait."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(place.with_suffix(".lock")):
        if _proof_in(place, wanted):
            return
        say("compiling the model and comparing it with the original")
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as temp:
            new = Path(temp, "form")
            new.mkdir()
            model = load(folder, said, is_trusted=is_trusted)
            proof = _compiled_into(new, model, said, layout, _real_rows(folder, said, rows))
            (new / _PROOF).write_text(proof.model_dump_json(indent=1) + "\n", encoding="utf-8")
            if place.exists():  # the same form, proved on fewer rows
                (new / _PROOF).replace(place / _PROOF)
            else:
                new.rename(place)


def _compiled_into(new: Path, model: Any, said: MLmodel, layout: Layout, rows: Rows) -> Proof:
    if said.sklearn is None:
        return Proof(is_equal=False, reason="only scikit-learn models are compiled", versions=_versions())
    try:
        content, forest = compiled_form(model, said.inputs)
    except NotCompilableError as error:
        return Proof(is_equal=False, reason=str(error), versions=_versions())
    proof = prove(model, Compiled(content, forest, layout), rows, _versions())
    if proof.is_equal:
        (new / _CONTENT).write_text(content.model_dump_json(), encoding="utf-8")
        forest.save(new)
    return proof


def _real_rows(folder: Path, said: MLmodel, rows: Rows | None) -> Rows:
    """Returns the rows of the model's input example, and the given ones after them."""
    found: Rows = {column.name: [] for column in said.inputs}
    file = folder / "input_example.json"
    if file.is_file():
        try:
            example = json.loads(read_text(file))
            for row in example["data"]:
                given = dict(zip(example["columns"], row, strict=True))
                for name, values in found.items():
                    values.append(given.get(name))
        except (ValueError, KeyError, TypeError) as error:
            raise WaypostError(f"{file}: no table: {error}") from error
    for name, values in found.items():
        values.extend((rows or {}).get(name, ()))
    return found


def _versions() -> dict[str, str]:
    names = (*_SERVED_WITH, "scikit-learn")
    return {name: importlib.metadata.version(name) for name in names}
