"""Models ready to answer: compiled once per content into the cache, together with the proof."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock

from waypost.contracts.mlmodel import MLmodel
from waypost.errors import WaypostError
from waypost.inference.compiled import Compiled, Content
from waypost.inference.compiling import compiled_form
from waypost.inference.environment import built
from waypost.inference.example import example_rows
from waypost.inference.form_files import load_form, save_form
from waypost.inference.layout import Layout
from waypost.inference.learned import NotCompilableError
from waypost.inference.loading import SKLEARN, load
from waypost.inference.original import Original
from waypost.inference.probes import ColumnValues
from waypost.inference.proof import Proof, count_of, prove
from waypost.inference.remote import A_DAY, Remote
from waypost.sources.files import content_digest, read_mlmodel, read_text
from waypost.system.places import home
from waypost.texts.digests import digest_of

_FORM = 9
"""Increased with every change of stored forms or of the comparison: forms of older engines are compiled
again.
"""

_READ = 6
"""The oldest version that can be read: that of Waypost 1.0.0, with trees as graphs."""

_FLAVOURS = (SKLEARN, "mlflow.lightgbm", "mlflow.xgboost", "mlflow.catboost")
_CONTENT, _PROOF = "content.json", "proof.json"
_SERVED_WITH = ("onnxruntime", "numpy", "pyarrow")


@dataclass(frozen=True)
class ProvedModel:
    """A model with compared forms: `digest` is the digest of its files, `proof` decides which form
    answers.
    """

    folder: Path
    digest: str
    mlmodel: MLmodel
    proof: Proof


@dataclass(frozen=True)
class ReadyModel(ProvedModel):
    """A model that is ready to answer."""

    answers: Compiled | Original
    is_trusted: bool = False

    @cached_property
    def original(self) -> Original:
        """The model as MLflow loads it, which takes seconds; for input that the compiled form cannot read."""
        if isinstance(self.answers, Original):
            return self.answers
        loaded = load(self.folder, self.mlmodel, is_trusted=self.is_trusted)
        loaded.warm()
        return loaded


@dataclass(frozen=True)
class CachedForm:
    """The folder with a model's proof, and its compiled form if that is equal. A model with such a folder
    below `home()/compiled` is not compared again.
    """

    place: Path
    proof: Proof


def proved(
    folder: Path,
    *,
    is_trusted: bool = False,
    rows: ColumnValues | None = None,
    say: Callable[[str], None] = lambda _: None,
    digest: str = "",
) -> ProvedModel:
    """Returns a model with its proof, first compiling and comparing it if needed.

    `rows` are real rows to compare on, in addition to the model's input example; `digest` is that of the
    folder's content, "" if it is not known yet. Raises UsageError if loading or calling the model may do harm
    and it is not trusted.
    """
    mlmodel = read_mlmodel(folder)
    digest = digest or content_digest(folder)
    found = _found(digest, count_of(rows))
    if found is None:
        place = _place(digest)
        _compile(folder, mlmodel, place, is_trusted=is_trusted, rows=rows, say=say)
        found = CachedForm(place, Proof.model_validate_json(read_text(place / _PROOF)))
    return ProvedModel(folder, digest, mlmodel, found.proof)


def ready(
    folder: Path,
    *,
    is_trusted: bool = False,
    say: Callable[[str], None] = lambda _: None,
    digest: str = "",
) -> ReadyModel:
    """Returns a model, compiled if that is proved equal, else the original. Raises as `proved`."""
    proved_model = proved(folder, is_trusted=is_trusted, say=say, digest=digest)
    answers: Compiled | Original
    if proved_model.proof.is_equal:
        stored = _stored(kept(proved_model.digest).place)
        answers = Compiled(*stored, Layout(proved_model.mlmodel.inputs))
    else:
        answers = load(folder, proved_model.mlmodel, is_trusted=is_trusted)
    return ReadyModel(
        folder, proved_model.digest, proved_model.mlmodel, proved_model.proof, answers, is_trusted
    )


def kept(digest: str) -> CachedForm:
    """Returns the cached folder of a compared model. Raises WaypostError if there is none."""
    found = _found(digest, 0)
    if found is None:
        raise WaypostError(f"{_place(digest)}: the compiled form is missing", hint="say it again")
    return found


def ready_in_its_environment(
    folder: Path, *, seconds: float = A_DAY, say: Callable[[str], None] = lambda _: None
) -> ReadyModel:
    """Returns a trusted model with its original in its own environment, built if needed; `seconds` is the
    timeout of an answer. Raises WaypostError.
    """
    mlmodel = read_mlmodel(folder)
    original = Remote(folder, mlmodel, built(folder, mlmodel, say), seconds=seconds)
    proof = Proof(is_equal=False, reason="it runs in its own environment", versions={})
    return ReadyModel(folder, content_digest(folder), mlmodel, proof, original, is_trusted=True)


def compiled_before(digest: str, rows: ColumnValues | None = None) -> bool:
    """Returns whether a model with this digest was compared before, on at least as many real rows."""
    return _found(digest, count_of(rows)) is not None


def _place(digest: str, form: int = _FORM) -> Path:
    version = importlib.metadata.version("onnxruntime")
    key = digest_of({"form": form, "model": digest, "onnxruntime": version})[:32]
    return home() / "compiled" / key


def _found(digest: str, rows: int) -> CachedForm | None:
    """Returns the cached folder of a model in any readable version, if compared on at least as many real
    rows.
    """
    for form in range(_FORM, _READ - 1, -1):
        place = _place(digest, form)
        proof = _proof_in(place, rows)
        # A newer engine may compile what an older one could not.
        if proof is not None and (proof.is_equal or form == _FORM):
            return CachedForm(place, proof)
    return None


def _proof_in(place: Path, rows: int) -> Proof | None:
    """Returns the proof of a compiled form, or None if it has to be compiled (again): missing, changed, or
    compared on fewer real rows.
    """
    try:
        proof = Proof.model_validate_json((place / _PROOF).read_bytes())
    except (OSError, ValueError):
        return None
    if not proof.is_equal:
        return proof
    is_whole = proof.files and all(_is(place / name, digest) for name, digest in proof.files.items())
    return proof if is_whole and proof.rows >= rows else None


def _is(file: Path, digest: str) -> bool:
    return file.is_file() and content_digest(file) == digest


def _compile(
    folder: Path,
    mlmodel: MLmodel,
    place: Path,
    *,
    is_trusted: bool,
    rows: ColumnValues | None,
    say: Callable[[str], None],
) -> None:
    """Compiles, compares and stores a model; one process does, others wait."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(place.with_suffix(".lock")):
        if _proof_in(place, count_of(rows)):
            return
        say("compiling the model and comparing it with the original")
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as temp:
            new = Path(temp, "form")
            new.mkdir()
            model = load(folder, mlmodel, is_trusted=is_trusted)
            proved_before = _proof_in(place, 0)
            before = CachedForm(place, proved_before) if proved_before else None
            found = _compiled_into(new, model, mlmodel, _real_rows(folder, mlmodel, rows), before)
            digests = {file.name: content_digest(file) for file in sorted(new.iterdir())}
            proof = found.model_copy(update={"files": digests})
            (new / _PROOF).write_text(proof.model_dump_json(indent=1) + "\n", encoding="utf-8")
            _put(new, place)


def _put(new: Path, place: Path) -> None:
    """Moves a compiled form to its place, replacing one that is damaged or proved on fewer rows."""
    if not place.exists():
        new.rename(place)
        return
    for file in sorted(new.iterdir(), key=lambda file: file.name == _PROOF):  # the proof comes last
        file.replace(place / file.name)


def _compiled_into(
    new: Path, original: Original, mlmodel: MLmodel, rows: ColumnValues, before: CachedForm | None = None
) -> Proof:
    """Writes the compiled form if it is equal; returns the proof. A form proved `before` on fewer rows is
    neither compiled nor probed again.
    """
    versions = _versions()
    known = before if before and before.proof.is_equal and before.proof.versions == versions else None
    try:
        content, form = _stored(known.place) if known else _made(original, mlmodel)
        compiled = Compiled(content, form, original.layout)
        proof = prove(original, compiled, rows, versions, form, known.proof if known else None)
        if proof.is_equal:
            (new / _CONTENT).write_text(content.model_dump_json(), encoding="utf-8")
            save_form(form, new)
    except NotCompilableError as error:
        reason = str(error)
    except Exception as error:  # attributes and answers of an untrusted model may be anything
        reason = f"it cannot be compared: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    else:
        return proof
    return Proof(is_equal=False, reason=reason, versions=_versions())


def _stored(place: Path) -> tuple[Content, bytes | None]:
    """Returns the compiled form in a folder."""
    return Content.model_validate_json(read_text(place / _CONTENT)), load_form(place)


def _made(original: Original, mlmodel: MLmodel) -> tuple[Content, bytes | None]:
    """Returns the compiled form of a model. Raises NotCompilableError."""
    content, form = compiled_form(_compilable(original, mlmodel), mlmodel.inputs)
    if mlmodel.pyfunc.loader_module != SKLEARN:  # they are called for labels only
        content = content.model_copy(update={"has_probabilities": False})
    return content, form


def _compilable(original: Original, mlmodel: MLmodel) -> Any:
    """Returns the estimator of a model that answers with `predict`. Raises NotCompilableError."""
    if mlmodel.pyfunc.loader_module not in _FLAVOURS or original.estimator is None:
        told = ", ".join(sorted(mlmodel.flavors))
        known = "scikit-learn, LightGBM, XGBoost and CatBoost"
        raise NotCompilableError(f"a model of {told}: only those of {known} are compiled")
    if mlmodel.pyfunc.predict_fn != "predict":
        raise NotCompilableError(f"the model answers by {mlmodel.pyfunc.predict_fn}, not by predict")
    if mlmodel.params:
        raise NotCompilableError("the model takes parameters")
    return original.estimator


def _real_rows(folder: Path, mlmodel: MLmodel, rows: ColumnValues | None) -> ColumnValues:
    """Returns the rows of the model's input example, followed by the given ones."""
    example = example_rows(folder, mlmodel.inputs)
    given = rows or {}
    return {c.name: [*(row[c.name] for row in example), *given.get(c.name, ())] for c in mlmodel.inputs}


def _versions() -> dict[str, str]:
    names = (*_SERVED_WITH, "scikit-learn")
    return {name: importlib.metadata.version(name) for name in names}
