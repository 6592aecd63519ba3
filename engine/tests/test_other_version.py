"""A compiled form made with another scikit-learn than the one that is installed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn

from tests.other_version import KINDS, form_of
from waypost.inference.compiled import Compiled, Content
from waypost.inference.forest import NATIVE
from waypost.inference.layout import Layout, TableError
from waypost.inference.table import from_rows

ENGINE = Path(__file__).parents[1]
OTHER, MODELS = "1.7.0", 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Models, forms and answers of the oldest scikit-learn that the engine takes."""
    if sklearn.__version__ == OTHER:
        pytest.skip("it is the one that is installed")
    packages, folder = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("models")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--target", packages, "--no-deps", f"scikit-learn=={OTHER}"],
        check=True,
    )
    subprocess.run(
        [sys.executable, "-m", "tests.other_version", folder, str(MODELS)],
        cwd=ENGINE,
        env={**os.environ, "PYTHONPATH": str(packages)},
        check=True,
    )
    return [pickle.loads(file.read_bytes()) for file in sorted(folder.iterdir())]


@pytest.mark.journey
@pytest.mark.parametrize("native", ["1", "0"])
def test_answers_of_a_form_of_another_version(
    made: list[Any], native: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model promoted with scikit-learn 1.7.0 answers here what its original answered there, within the
    tolerance that its form states, and refuses what that refused.
    """
    monkeypatch.setenv(NATIVE, native)
    assert len(made) == len(KINDS) * MODELS
    for version, _, columns, asked, (content, trees), said in made:
        assert version == OTHER
        form = Compiled(Content.model_validate_json(content), trees, Layout(columns))
        rows = asked.astype(object).where(asked.notna(), None).to_numpy().tolist()
        for row, expected in zip(rows, said, strict=True):
            try:
                answer = form.predict(from_rows(tuple(asked.columns), [row], form.layout))
            except TableError:
                assert expected is None
                continue
            label, chances = expected
            tolerance = form.content.tolerance
            if chances is None:
                np.testing.assert_allclose(answer.labels[0], label, rtol=tolerance, atol=tolerance)
            else:
                np.testing.assert_allclose(answer.probabilities[0], chances, rtol=tolerance, atol=tolerance)
                assert answer.labels[0] == label


@pytest.mark.journey
def test_form_does_not_depend_on_the_version(made: list[Any]) -> None:
    """A model has the same form, byte for byte, and therefore the same answers, whichever scikit-learn
    compiles it, if the newer one can load it.
    """
    warnings.simplefilter("ignore")
    compared: Counter[bool] = Counter()
    for _, model, columns, _, form, _ in made:
        try:
            loaded = pickle.loads(model)
        except ModuleNotFoundError:  # scikit-learn has moved what it was made of
            compared[False] += 1
            continue
        assert form_of(loaded, columns) == form
        compared[True] += 1
    assert compared[True] >= len(made) / 2
