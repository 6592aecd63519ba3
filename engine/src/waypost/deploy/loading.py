"""Loading an original: whatever it is where it is trusted, else only what was checked from the file on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from waypost.contracts.mlmodel import MLmodel
from waypost.deploy.archive import KNOWN, UnsafeError, check_archive
from waypost.deploy.estimators import check_model
from waypost.errors import UsageError, WaypostError
from waypost.tracking import models


def load(folder: Path, said: MLmodel, *, is_trusted: bool = False) -> Any:
    """Returns the original: a scikit-learn estimator, or a pyfunc for any other flavour.

    Raises UsageError where it is not trusted, and loading or asking it may do harm; WaypostError where it
    cannot be loaded.
    """
    try:
        if is_trusted:
            return models.load_sklearn(folder) if said.sklearn else models.load_pyfunc(folder)
        return harmless(_skops_file(folder, said))
    except UnsafeError as error:
        hint = "if you know where it comes from: --trust"
        raise UsageError(f"{folder}: {error}", hint=hint) from error
    except WaypostError:
        raise
    except Exception as error:  # a package that is not here, a damaged file: MLflow's loaders raise anything
        words = " ".join(str(error).split())[:300]
        raise WaypostError(f"{folder}: it cannot be loaded: {type(error).__name__}: {words}") from error


def _skops_file(folder: Path, said: MLmodel) -> Path:
    """Returns the file of a model that brings no code. Raises UnsafeError for any other."""
    sklearn = said.sklearn
    code = "which may run any code"
    if sklearn is None:
        raise UnsafeError(f"it is a model of the flavour {', '.join(sorted(said.flavors))}, {code}")
    if sklearn.serialization_format != "skops":
        raise UnsafeError(f"it is stored as {sklearn.serialization_format}, {code}")
    if sklearn.code:
        raise UnsafeError(f"it brings code of its own, {code}")
    file = folder / sklearn.pickled_model
    if not file.is_file():
        raise UnsafeError(f"there is no {sklearn.pickled_model}")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise UnsafeError(f"{sklearn.pickled_model} is outside of it")
    return file


def harmless(file: Path) -> Any:
    """Returns what a skops file holds. Raises UnsafeError unless all of it is harmless.

    What the file holds counts, not what the model says of itself; so MLflow, which believes it, is not asked.
    """
    with file.open("rb") as opened:
        check_archive(opened, file.stat().st_size)
        try:
            model = _built(opened)
            check_model(model)
        except UnsafeError:
            raise
        except Exception as error:  # what a stranger's file makes skops, and its estimators, raise
            words = " ".join(str(error).split())[:200]
            raise UnsafeError(f"its parts are not what they say: {type(error).__name__}: {words}") from error
    return model


def _built(opened: BinaryIO) -> Any:
    import skops.io

    if unknown := sorted(set(skops.io.get_untrusted_types(file=opened)) - set(KNOWN)):
        raise UnsafeError(f"it asks to build {', '.join(unknown)}, which may run any code")
    return skops.io.load(opened, trusted=list(KNOWN))
