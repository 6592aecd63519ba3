"""Loading of an original as MLflow's pyfunc: any model if it is trusted, else only a checked one."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from pathlib import Path
from typing import Any, BinaryIO

from waypost.compat import mlflow_serving
from waypost.contracts.mlmodel import MLmodel
from waypost.contracts.requirements import unmet
from waypost.errors import UsageError, WaypostError
from waypost.inference.estimators import check_model
from waypost.inference.original import Original
from waypost.inference.skops_archive import KNOWN, UnsafeError, check_archive
from waypost.sources.files import read_text
from waypost.tracking import models

SKLEARN = "mlflow.sklearn"
TRUST_HINT = "if you trust its source: --trust"
_MOST_TOLD = 5


def load(folder: Path, mlmodel: MLmodel, *, is_trusted: bool = False) -> Original:
    """Returns the original. Raises UsageError if it is untrusted, and loading or calling it may do harm;
    WaypostError if it cannot be loaded.
    """
    try:
        return Original(models.load_pyfunc(folder) if is_trusted else _checked(folder, mlmodel), mlmodel)
    except UnsafeError as error:
        raise UsageError(f"{folder}: {error}", hint=TRUST_HINT) from error
    except WaypostError:
        raise
    except ModuleNotFoundError as error:
        problem = f"{folder}: it cannot be loaded: it needs the module {error.name!r}, which is not installed"
        hint = _of_other_versions(folder, mlmodel) or "install it, or log the model with it: code_paths=[…]"
        raise WaypostError(problem, hint=hint) from error
    except Exception as error:  # a damaged file, another version: MLflow's loaders raise anything
        words = " ".join(str(error).split())[:300]
        problem = f"{folder}: it cannot be loaded: {type(error).__name__}: {words}"
        raise WaypostError(problem, hint=_of_other_versions(folder, mlmodel)) from error


def differing(folder: Path, mlmodel: MLmodel) -> str:
    """Returns the versions of a model's packages that differ here, as MLflow warns of them; "" if none
    does.
    """
    shown = _differences(folder, mlmodel)
    return f"the model was made with {shown}: it may answer differently here; --env model" if shown else ""


def _of_other_versions(folder: Path, mlmodel: MLmodel) -> str:
    """Returns the hint for a model that cannot be loaded here, "" if no version differs."""
    shown = _differences(folder, mlmodel)
    here = "install it here, or " if "(not installed)" in shown else ""
    return f"it was made with {shown}; {here}serve and score run it with those: --env model" if shown else ""


def _differences(folder: Path, mlmodel: MLmodel) -> str:
    """Returns the first few versions that differ, and how many more."""
    found = []
    theirs, here = mlmodel.pyfunc.python_version, platform.python_version()
    if theirs and theirs.split(".")[:2] != here.split(".")[:2]:
        found.append(f"Python {theirs} (here {here})")
    with contextlib.suppress(WaypostError):  # there is no such file, or it is not text
        found += unmet(read_text(folder / "requirements.txt"), _version)
    more = [f"{len(found) - _MOST_TOLD} more"] if len(found) > _MOST_TOLD else []
    return ", ".join([*found[:_MOST_TOLD], *more])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _checked(folder: Path, mlmodel: MLmodel) -> Any:
    """Returns the pyfunc of a model without code of its own. Raises UnsafeError for any other. MLflow
    receives the loaded model; it loads nothing.
    """
    estimator = harmless(_skops_file(folder, mlmodel))
    return mlflow_serving.sklearn_model(folder, estimator, mlmodel.pyfunc.predict_fn)


def _skops_file(folder: Path, mlmodel: MLmodel) -> Path:
    """Returns the file of a model without code of its own. Raises UnsafeError for any other."""
    sklearn = mlmodel.sklearn
    code = "which may run arbitrary code"
    if sklearn is None:
        raise UnsafeError(f"it is a model of the flavour {', '.join(sorted(mlmodel.flavors))}, {code}")
    if sklearn.serialization_format != "skops":
        raise UnsafeError(f"it is stored as {sklearn.serialization_format}, {code}")
    if sklearn.code or mlmodel.pyfunc.code:
        raise UnsafeError(f"it brings code of its own, {code}")
    if mlmodel.pyfunc.loader_module != SKLEARN:
        raise UnsafeError(f"it is loaded by {mlmodel.pyfunc.loader_module}, {code}")
    if mlmodel.pyfunc.predict_fn not in mlflow_serving.FUNCTIONS:
        raise UnsafeError(f"it is called by {mlmodel.pyfunc.predict_fn}, {code}")
    name = mlmodel.pyfunc.model_path or sklearn.pickled_model  # as in MLflow's pyfunc
    file = folder / name
    if not file.is_file():
        raise UnsafeError(f"there is no {name}")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise UnsafeError(f"{name} is outside of it")
    return file


def harmless(file: Path) -> Any:
    """Returns the content of a skops file. Raises UnsafeError unless all of it is harmless.

    The file's content counts, not the model's MLmodel; so MLflow, which believes the latter, is not used.
    """
    with file.open("rb") as opened:
        check_archive(opened, file.stat().st_size)
        try:
            model = _built(opened)
            check_model(model)
        except UnsafeError:
            raise
        except Exception as error:  # an untrusted file makes skops and its estimators raise anything
            words = " ".join(str(error).split())[:200]
            raise UnsafeError(f"its parts are inconsistent: {type(error).__name__}: {words}") from error
    return model


def _built(opened: BinaryIO) -> Any:
    import skops.io

    if unknown := sorted(set(skops.io.get_untrusted_types(file=opened)) - set(KNOWN)):
        raise UnsafeError(f"it requires building {', '.join(unknown)}, which may run arbitrary code")
    return skops.io.load(opened, trusted=list(KNOWN))
