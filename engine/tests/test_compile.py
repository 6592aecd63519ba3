"""The compiled model: equal to the original or not used; nothing runs code that a file brings."""

from __future__ import annotations

import json
import operator
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OrdinalEncoder,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from tests import models
from waypost.contracts.mlmodel import Column
from waypost.errors import UsageError
from waypost.inference.compiled import Compiled, Content
from waypost.inference.compiling import compiled_form
from waypost.inference.features import Kind
from waypost.inference.forest import NATIVE
from waypost.inference.form_files import load_form
from waypost.inference.graphs import row_graph
from waypost.inference.layout import Layout, TableError
from waypost.inference.loading import load
from waypost.inference.model_cache import ReadyModel, _place, proved, ready
from waypost.inference.original import Original
from waypost.inference.preprocessing import Plan
from waypost.inference.proof import prove
from waypost.inference.table import Table, from_arrow, from_columns
from waypost.inference.trees import from_bytes
from waypost.inference.words import Words
from waypost.sources.files import content_digest, read_mlmodel


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))


def columns_of(table: pd.DataFrame) -> dict[str, list[Any]]:
    objects = table.astype("object").where(table.notna(), None)
    return {str(name): objects[name].tolist() for name in objects}


def fitted(model: Any, table: pd.DataFrame, classes: int = 4) -> Any:
    return model.fit(table, models.labels(models.frame(len(table)), classes))


TABLE = models.frame()
NUMBERS = TABLE[["amount", "age"]]
PIPELINES: dict[str, tuple[Callable[[], Any], pd.DataFrame, int]] = {
    "reference": (models.full_pipeline, TABLE, 4),
    "one-hot, counts": (
        lambda: models.full_pipeline(encode="onehot", words=CountVectorizer(binary=True)),
        TABLE,
        15,
    ),
    "n-grams": (
        lambda: models.full_pipeline(
            words=TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, norm="l1", stop_words=["red"])
        ),
        TABLE,
        3,
    ),
    "binary, no text": (
        lambda: make_pipeline(SimpleImputer(), StandardScaler(), RandomForestClassifier(10, random_state=1)),
        NUMBERS,
        2,
    ),
    "a threshold": (
        lambda: make_pipeline(
            SimpleImputer(),
            FixedThresholdClassifier(
                RandomForestClassifier(10, random_state=1),
                threshold=0.3,
                pos_label="grade 0",
                response_method="predict_proba",
            ),
        ),
        NUMBERS,
        2,
    ),
    "a threshold around all": (
        lambda: FixedThresholdClassifier(
            make_pipeline(SimpleImputer(), RandomForestClassifier(10, random_state=1)),
            threshold=0.7,
            pos_label="grade 1",
        ),
        NUMBERS,
        2,
    ),
    "grown to the leaf": (
        lambda: models.full_pipeline(forest=ExtraTreesClassifier(10, random_state=0)),
        TABLE,
        4,
    ),
    "refused categories": (lambda: models.full_pipeline(encode=OrdinalEncoder()), TABLE, 3),
    "one tree": (lambda: make_pipeline(SimpleImputer(), DecisionTreeClassifier(max_depth=5)), NUMBERS, 3),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_says_the_same(name: str, tmp_path: Path) -> None:
    """Labels equal on every row, probabilities within 1e-5, one by one and as a batch, bit for bit the
    same in both; the proof is stored beside the compiled form.
    """
    make, table, classes = PIPELINES[name]
    model = fitted(make(), table, classes)
    found = ready(models.save(model, table, tmp_path / "model"))
    assert found.proof.is_equal, found.proof.reason
    assert found.proof.probes == (6000 if name == "refused categories" else 4000)
    assert list((tmp_path / "home" / "compiled").glob("*/proof.json"))
    new = models.frame(3000, seed=7)[list(table)]
    batch = _compiled(found).predict(from_arrow(pa.Table.from_pandas(new), found.answers.layout))
    np.testing.assert_array_equal(batch.labels, model.predict(new))
    np.testing.assert_allclose(batch.probabilities, model.predict_proba(new), atol=1e-5, rtol=0)
    columns = columns_of(new)
    for row in range(0, 3000, 50):
        one = from_columns({k: [v[row]] for k, v in columns.items()}, found.answers.layout)
        answer = _compiled(found).predict(one)
        assert answer.labels[0] == batch.labels[row]
        np.testing.assert_array_equal(answer.probabilities[0], batch.probabilities[row])


def test_many_rows_are_answered_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are made for some rows at a time: the answers are the same bits, an error names the row in the
    whole table, and between pieces the answer can be given up.
    """
    monkeypatch.setattr("waypost.inference.compiled._PIECE_CELLS", 1000)
    found = ready(models.save(fitted(models.full_pipeline(), TABLE), TABLE, tmp_path / "model"))
    assert isinstance(found.answers, Compiled)
    layout = found.answers.layout
    table = from_arrow(pa.Table.from_pandas(models.frame(500, seed=9)), layout)
    seen: list[int] = []
    pieces = found.answers.predict(table, lambda: seen.append(1))
    assert len(seen) > 2
    whole = found.answers.evaluate(found.answers.features(table))
    np.testing.assert_array_equal(pieces.labels, whole.labels)
    np.testing.assert_array_equal(pieces.probabilities, whole.probabilities)
    table.numbers[444, 0] = 1e300
    with pytest.raises(TableError, match="column 'amount', row 444: the value is too large") as error:
        found.answers.predict(table)
    assert error.value.row == 444

    def give_up() -> None:
        raise KeyError("given up")

    with pytest.raises(KeyError, match="given up"):
        found.answers.predict(table, give_up)


@pytest.mark.timeout(60)
def test_distinct_texts_take_no_square_of_their_number() -> None:
    """100,000 texts of which each is another, and none plain ASCII, are weighed in seconds; a missing one is
    still told with its row.
    """
    part = Words(column="t", vocabulary={"rot": 0, "grün": 1})
    layout = Layout((Column(name="t", type="string"),))
    texts = [f"grün {number}" for number in range(100_000)]
    out: Any = np.empty((len(texts), 2))
    part.writer(layout)(Table(np.empty((len(texts), 0)), {"t": pa.array(texts, pa.string())}), out)
    np.testing.assert_array_equal(out, np.tile([0.0, 1.0], (len(texts), 1)))
    texts[70_000] = None  # type: ignore[call-overload]
    with pytest.raises(TableError, match="column 't', row 70000: the value is missing"):
        part.writer(layout)(Table(np.empty((len(texts), 0)), {"t": pa.array(texts, pa.string())}), out)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.none() | st.text(max_size=30), min_size=1, max_size=8))
def test_any_text_is_weighed_as_scikit_learn_does(texts: list[str | None]) -> None:
    """Whatever the text: the weights of the words are those of TfidfVectorizer, to the last bit."""
    vectorizer = TfidfVectorizer().fit(["red green", "red İstanbul blue_1", "ΟΔΟΣ naïve 東京 green", "ab AB"])
    part = Words(
        column="t", fill="", vocabulary=vectorizer.vocabulary_, weights=vectorizer.idf_.tolist(), norm="l2"
    )
    layout = Layout((Column(name="t", type="string"),))
    expected = vectorizer.transform([t or "" for t in texts]).toarray()
    out: Any = np.empty((len(texts), part.width))
    part.writer(layout)(Table(np.empty((len(texts), 0)), {"t": pa.array(texts, pa.string())}), out)
    np.testing.assert_array_equal(out, expected)
    row = Plan(parts=[part]).bound_cells(layout, Kind(is_wide=True))
    np.testing.assert_array_equal([row((), (text,)) for text in texts], expected)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (make_pipeline(SimpleImputer(), GaussianNB()), "GaussianNB has no compiled form"),
        (
            make_pipeline(QuantileTransformer(n_quantiles=10), DecisionTreeClassifier()),
            "QuantileTransformer has no comp",
        ),
    ],
)
def test_what_cannot_be_compiled_falls_back(model: Any, reason: str, tmp_path: Path) -> None:
    """A model without a compiled form answers as it is, and says why; so does one that is not equal."""
    model.fit(NUMBERS, models.labels(TABLE))
    found = ready(models.save(model, NUMBERS, tmp_path / "model"))
    assert not found.proof.is_equal
    assert re.search(reason, found.proof.reason)
    assert isinstance(found.answers, Original)
    answer = found.answers.of_frame(NUMBERS.dropna())
    np.testing.assert_array_equal(answer.labels, model.predict(NUMBERS.dropna()))


def _layout(found: ReadyModel) -> Layout:
    return found.answers.layout


def _compiled(found: ReadyModel) -> Compiled:
    assert isinstance(found.answers, Compiled), found.proof.reason
    return found.answers


BARE = NUMBERS.assign(whole=np.arange(len(NUMBERS)), small=NUMBERS["amount"].astype("float32") / 3)
SINGLE = BARE[["small"]].assign(other=BARE["small"] + np.float32(1000.1)).astype("float32")
ALONE: dict[str, tuple[Any, pd.DataFrame]] = {
    "forest": (RandomForestClassifier(5, random_state=0), BARE),
    "trees without an own way for what is missing": (ExtraTreesClassifier(5, random_state=0), BARE.fillna(0)),
    "scaled": (make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)), BARE),
    "32 bits": (make_pipeline(SimpleImputer(), StandardScaler(), DecisionTreeClassifier()), SINGLE),
}


@pytest.mark.parametrize("name", ALONE)
def test_forest_without_an_imputer_is_compiled(name: str, tmp_path: Path) -> None:
    """What is missing goes the way that each node has for it; numbers of 32 bits stay such. Labels and
    probabilities are the same bits, one by one and as a batch.
    """
    model, table = ALONE[name]
    labels = models.labels(TABLE)
    original = original_of(model.fit(table, labels), table, tmp_path / "model")
    columns = read_mlmodel(tmp_path / "model").inputs
    content, forest = compiled_form(model, columns)
    compiled = Compiled(content, forest, Layout(columns))
    proof = prove(original, compiled, columns_of(table), {})
    assert proof.is_equal, proof.reason
    rows = table.where(np.random.default_rng(0).random(table.shape) > 0.2)
    for whole in table.select_dtypes("int64").columns:  # these hold none that is missing
        rows[whole] = table[whole]
    batch = compiled.of_table(pa.Table.from_pandas(rows, preserve_index=False))
    np.testing.assert_array_equal(batch.labels, model.predict(rows))
    np.testing.assert_array_equal(batch.probabilities, model.predict_proba(rows))


def test_regressor_is_compiled(tmp_path: Path) -> None:
    """A regressor's values are the original's, to the last bit; it has no probabilities."""
    model = make_pipeline(SimpleImputer(), RandomForestRegressor(5)).fit(NUMBERS, TABLE["amount"])
    found = ready(models.save(model, NUMBERS, tmp_path / "model"))
    assert found.proof.is_equal, found.proof.reason
    answer = _compiled(found).predict(from_columns(columns_of(NUMBERS), _layout(found)))
    np.testing.assert_array_equal(answer.labels, model.predict(NUMBERS))
    assert answer.probabilities.shape == (len(NUMBERS), 0)


def original_of(model: Any, table: pd.DataFrame, folder: Path) -> Original:
    models.save(model, table, folder)
    return load(folder, read_mlmodel(folder))


def test_difference_is_found(tmp_path: Path) -> None:
    """A compiled form of another model is not equal: the proof can fail, and says how far it is off."""
    model = original_of(fitted(models.full_pipeline(), TABLE), TABLE, tmp_path / "model")
    other = fitted(models.full_pipeline(forest=RandomForestClassifier(20, random_state=5)), TABLE)
    columns = [
        Column(name=str(n), type="double" if n in NUMBERS else "string", required=n == "amount")
        for n in TABLE
    ]
    content, forest = compiled_form(other, columns)
    proof = prove(model, Compiled(content, forest, Layout(tuple(columns))), columns_of(TABLE), {})
    assert not proof.is_equal
    assert "labels differ" in proof.reason
    assert proof.labels_different > 100


def test_pickle_is_not_loaded_unasked(tmp_path: Path) -> None:
    """A pickled model is refused before it is opened, unless it is named as trusted."""
    model = fitted(models.full_pipeline(), TABLE)
    folder = models.save(model, TABLE, tmp_path / "model", format="cloudpickle")
    with pytest.raises(UsageError, match="stored as cloudpickle, which may run arbitrary code") as error:
        ready(folder)
    assert "--trust" in error.value.hint
    assert ready(folder, is_trusted=True).proof.is_equal


def test_method_call_that_runs_code_is_refused(tmp_path: Path) -> None:
    """A skops file may ask for any method of a table: only `fillna` is called unasked."""
    marker = tmp_path / "ran"
    evil = FunctionTransformer(operator.methodcaller("to_csv", str(marker)))
    model = make_pipeline(SimpleImputer(), DecisionTreeClassifier()).fit(NUMBERS, models.labels(TABLE))
    folder = models.save(model, NUMBERS, tmp_path / "model")
    model.steps.insert(0, ("evil", evil))
    import skops.io

    skops.io.dump(model, folder / "model.skops")
    with pytest.raises(UsageError, match="it calls to_csv of the input table"):
        ready(folder)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": ["x"]}, r"column 'amount', row 0: 'x' is not a valid number"),
        ({"amount": [10**400]}, "too large"),
        ({"amount": [float("inf")]}, r"column 'amount', row 0: the value is too large"),
        ({"city": [3]}, "column 'city', row 0: 3 is not a valid text"),
        ({"amount": None}, "column 'amount' is missing"),
    ],
)
def test_wrong_value_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    """A wrong value is an error that names column and row; what is too large for the trees, too."""
    found = ready(models.save(fitted(models.full_pipeline(), TABLE), TABLE, tmp_path / "model"))
    row = {"amount": [1.0], "age": [None], "city": ["Berlin"], "kind": [None], "note": ["red"], **change}
    given_columns = {name: values for name, values in row.items() if values is not None}
    with pytest.raises(TableError, match=message):
        _compiled(found).predict(from_columns(given_columns, _layout(found)))


def test_misspelt_column_is_named(tmp_path: Path) -> None:
    """A column that may be left out counts as missing; one that looks like it is taken for a mistake."""
    found = ready(models.save(fitted(models.full_pipeline(), TABLE), TABLE, tmp_path / "model"))
    assert len(from_columns({"amount": [1.0]}, _layout(found))) == 1
    with pytest.raises(TableError, match="looks like 'city'") as error:
        from_columns({"amount": [1.0], "ctiy": ["Berlin"]}, _layout(found))
    assert error.value.hint == "did you mean 'ctiy'?"


def test_a_model_is_compiled_and_probed_once(tmp_path: Path) -> None:
    """A model that was served before is compared on the rows that it was measured on, and on nothing else
    again: its form stays as it is.
    """
    model = fitted(make_pipeline(SimpleImputer(), DecisionTreeClassifier(max_depth=5)), NUMBERS)
    folder = models.save(model, NUMBERS, tmp_path / "model")
    first = proved(folder).proof
    form = next((tmp_path / "home" / "compiled").glob("*/trees.bin")).read_bytes()
    again = proved(folder, rows=columns_of(NUMBERS)).proof
    assert (first.rows, first.probes) == (3, 4000)
    assert (again.is_equal, again.rows, again.probes) == (True, 403, 4000)
    assert again.files == first.files
    assert next((tmp_path / "home" / "compiled").glob("*/trees.bin")).read_bytes() == form


ANSWERS = """
import sys
sys.modules["sklearn"] = None  # whoever imports it fails
from pathlib import Path
import pyarrow.parquet as pq
from waypost.inference.model_cache import ready
table = pq.read_table(sys.argv[2])
found = ready(Path(sys.argv[1])).answers.of_table(table)
sys.stdout.buffer.write(found.probabilities.tobytes())
"""


def test_answers_ask_no_scikit_learn(tmp_path: Path) -> None:
    """A compiled model answers with the same bits whatever scikit-learn is installed later, or none."""
    folder = models.save(fitted(models.full_pipeline(), TABLE), TABLE, tmp_path / "model")
    new = models.frame(200, seed=3)
    pq.write_table(pa.Table.from_pandas(new, preserve_index=False), tmp_path / "new.parquet")
    expected = ready(folder).answers.of_table(pq.read_table(tmp_path / "new.parquet")).probabilities
    command = [sys.executable, "-c", ANSWERS, str(folder), str(tmp_path / "new.parquet")]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    assert said == expected.tobytes()


def test_a_damaged_form_is_made_again(tmp_path: Path) -> None:
    """Whatever becomes of its files in the cache, what a model answers stays the same, and is proved."""
    model = fitted(make_pipeline(SimpleImputer(), DecisionTreeClassifier(max_depth=3)), NUMBERS, 3)
    folder = models.save(model, NUMBERS, tmp_path / "model")
    rows = from_columns(columns_of(NUMBERS), ready(folder).answers.layout)
    expected = model.predict(NUMBERS)
    [place] = [path for path in (tmp_path / "home" / "compiled").iterdir() if path.is_dir()]
    damages: dict[str, Callable[[Path], object]] = {
        "empty": lambda file: file.write_bytes(b""),
        "garbage": lambda file: file.write_bytes(b"{}" * 50),
        "gone": lambda file: file.unlink(),
    }
    for file in sorted(place.iterdir()):
        for damage in damages.values():
            damage(file)
            found = ready(folder)
            assert found.proof.is_equal
            np.testing.assert_array_equal(_compiled(found).predict(rows).labels, expected)
    assert len(list(place.iterdir())) == 3


OLD = Path(__file__).parent / "forms" / "1.0.0"


@pytest.mark.parametrize("native", ["1", "0"])
def test_a_form_of_the_first_release_is_read(native: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Waypost 1.0.0 stored, a graph and what its leaves say, answers with the bits of then."""
    monkeypatch.setenv(NATIVE, native)
    content = Content.model_validate_json((OLD / "content.json").read_text())
    layout = Layout(tuple(Column(name=name, type="double") for name in "abc"))
    compiled = Compiled(content, load_form(OLD), layout)
    said = json.loads((OLD / "answers.json").read_text())
    answer = compiled.predict(Table(np.array(said["rows"], dtype=np.float64), {}))
    assert answer.labels.tolist() == said["labels"]
    assert answer.probabilities.tolist() == said["probabilities"]


def test_a_form_of_the_first_release_is_not_made_again(tmp_path: Path) -> None:
    """What Waypost 1.0.0 compiled and proved in this cache answers; nothing is compared again."""
    model = fitted(make_pipeline(SimpleImputer(), DecisionTreeClassifier(max_depth=3)), NUMBERS, 3)
    folder = models.save(model, NUMBERS, tmp_path / "model")
    new = ready(folder)
    place, old = _place(new.digest), _place(new.digest, 6)
    old.mkdir()
    trees = from_bytes((place / "trees.bin").read_bytes())
    (old / "row.onnx").write_bytes(row_graph(trees))
    np.save(old / "leaves.npy", trees.values)
    shutil.copy(place / "content.json", old)
    digests = {file.name: content_digest(file) for file in old.iterdir()}
    (old / "proof.json").write_text(new.proof.model_copy(update={"files": digests}).model_dump_json())
    shutil.rmtree(place)
    found = ready(folder)
    answer = _compiled(found).predict(from_columns(columns_of(NUMBERS), _layout(found)))
    np.testing.assert_array_equal(answer.labels, model.predict(NUMBERS))
    assert not place.exists()
