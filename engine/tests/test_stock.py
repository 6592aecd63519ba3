"""Whatever model somebody logged: the reply is that of MLflow's server, or a difference that the docs state.

Both get the same bytes: MLflow's own application in this process, and what `waypost serve` answers with.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from waypost.inference.columnar import PARQUET
from waypost.inference.fetching import FetchedModel
from waypost.inference.layout import TableError
from waypost.inference.limits import Limits
from waypost.inference.model_cache import ready
from waypost.serving.answering import Answering, Served
from waypost.serving.metrics import Entry
from waypost.serving.protocol import CSV, JSON

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"
CHOOSE = np.random.default_rng(0)
ROWS = 40
A = CHOOSE.normal(5, 3, ROWS).round(2)
TABLE = pd.DataFrame({"a": A, "b": CHOOSE.normal(0, 1, ROWS).round(3)})
CITIES = CHOOSE.choice(["red", "green", "blue"], ROWS)
TEXTS = TABLE.assign(c=CITIES)
CLASSES = np.where(TABLE["a"] > 5, "x", "y")
NUMBERS = TABLE["a"] * 2 + TABLE["b"]

Save = Callable[[Path], pd.DataFrame]
"""Saves a model and returns rows that it is asked about."""


def of_sklearn(model: Any, table: Any, target: Any, **more: Any) -> Save:
    def save(folder: Path) -> pd.DataFrame:
        model.fit(table, target)
        signature = more.pop("signature", infer_signature(table, model.predict(table)))
        options = {"serialization_format": "cloudpickle", "pip_requirements": [], **more}
        mlflow.sklearn.save_model(model, str(folder), signature=signature, **options)
        return table.head(3) if isinstance(table, pd.DataFrame) else TABLE.head(3)

    return save


def of_function(answer: Callable[..., Any], table: Any = TABLE, **more: Any) -> Save:
    """A Python model that answers by a function of what it is given (and of its parameters)."""

    def save(folder: Path) -> pd.DataFrame:
        class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
            def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
                return answer(model_input, params) if answer.__code__.co_argcount > 1 else answer(model_input)

        options = {"signature": ModelSignature(infer_signature(table).inputs), "pip_requirements": [], **more}
        mlflow.pyfunc.save_model(str(folder), python_model=Model(), **options)
        return table.head(3) if isinstance(table, pd.DataFrame) else TABLE.head(3)

    return save


def typed(name: str, dtype: Any) -> pd.DataFrame:
    """Returns rows whose column `b` has another type."""
    return TABLE.assign(b=(TABLE["a"] * 10).astype(dtype) if name != "boolean" else TABLE["a"] > 5)


def signed(*columns: ColSpec) -> ModelSignature:
    return ModelSignature(Schema(list(columns)))


def size(values: Any) -> int:
    return len(values)


def text(values: Any) -> str:
    return str(values)


def names_of(values: Any) -> list[str]:
    return sorted(values)


FORESTS = {
    "forest": lambda: RandomForestClassifier(3, random_state=0),
    "regressor": lambda: RandomForestRegressor(3, random_state=0),
    "tree": lambda: DecisionTreeClassifier(max_depth=3, random_state=0),
}
TYPES = {"float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}
ONE_HOT = OneHotEncoder(handle_unknown="ignore")
ENCODED = ColumnTransformer(
    [
        ("c", make_pipeline(SimpleImputer(strategy="most_frequent"), ONE_HOT), ["c"]),
        ("n", SimpleImputer(), ["a", "b"]),
    ]
)
ORDINAL = ColumnTransformer(
    [
        ("c", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["c"]),
        ("n", SimpleImputer(), ["a", "b"]),
    ]
)
PARAMS = ParamSchema([ParamSpec("probabilities", DataType.double, 0.5), ParamSpec("n", DataType.long, 1)])
ANSWERS: dict[str, Callable[[Any], Any]] = {
    "table": lambda t: pd.DataFrame({"score": t["a"] * 0.5, "label": ["ä"] * len(t)}),
    "table of one column": lambda t: pd.DataFrame({"score": t["a"]}),
    "series": lambda t: t["a"].rename("s"),
    "list": lambda t: t["a"].tolist(),
    "dict": lambda t: {"a": t["a"].tolist(), "n": len(t)},
    "scalar": lambda t: float(t["a"].sum()),
    "numpy scalar": lambda t: np.float32(t["a"].sum()),
    "text": lambda t: f"{len(t)} rows",
    "nothing": lambda t: None,
    "ragged": lambda t: [[1] * i for i in range(len(t))],
    "not finite": lambda t: np.array([np.nan, np.inf, -np.inf])[: len(t)],
    "table with gaps": lambda t: pd.DataFrame({"a": [np.nan] * len(t), "b": [None] * len(t)}),
    "matrix": lambda t: t.to_numpy(),
    "times": lambda t: [pd.Timestamp("2024-01-01")] * len(t),
    "bytes": lambda t: [b"x"] * len(t),
    "tuples": lambda t: [(1, "x")] * len(t),
    "numpy in lists": lambda t: [np.int64(3), np.float64(0.5)],
    "objects": lambda t: np.array([{"a": 1}, None, "x"], dtype=object)[: len(t)],
    "records": lambda t: [{"a": value} for value in t["a"]],
    "booleans": lambda t: (t["a"] > 5).to_numpy(),
    "an index": lambda t: t.set_index("a")["b"],
    "categories": lambda t: pd.Categorical(["x"] * len(t)),
    "a masked array": lambda t: np.ma.masked_greater(t["a"].to_numpy(), 5),
    "halves": lambda t: t["a"].to_numpy().astype("float16"),
    "large whole numbers": lambda t: np.array([2**64 - 1] * len(t), dtype="uint64"),
    "nullable numbers": lambda t: pd.array([1, None, 3][: len(t)], dtype="Int64"),
    "arrays in a dict": lambda t: {"a": t["a"].to_numpy(), "n": np.int64(3)},
    "half of a letter": lambda t: ["\ud800"] * len(t),
    "columns of one name": lambda t: pd.concat([t, t], axis=1),
    "numbered columns": lambda t: pd.DataFrame(t.to_numpy()),
    "a changed table": lambda t: t.pop("a").tolist(),
    "times apart": lambda t: pd.Series([pd.Timedelta("1s")] * len(t)),
    "a generator": lambda t: (value for value in t["a"]),
    "whole numbers": lambda t: np.array([2**60 + 1] * len(t)),
    "no JSON": lambda t: {1, 2},
    "fault": lambda t: 1 / 0,
}
TIMES = TABLE.assign(b=pd.Timestamp("2024-01-02 03:04:05"))
LISTS = Schema([ColSpec("double", "a"), ColSpec(Array("double"), "b")])
OBJECTS = Schema([ColSpec("double", "a"), ColSpec(Object([Property("k", DataType.string)]), "b")])
BRIEF = {"split", "one row", "records", "inputs", "no rows", "csv", "parquet"}
"""Bodies for models that are read like another one."""

FEW = {
    "forest",
    "forest behind an encoder",
    "forest, float",
    "linear, texts",
    "predict_proba",
    "answers table",
}
FEW |= {"answers not finite", "answers fault", "params", "times", "no signature", "ids", "texts only"}


def kinds() -> Iterator[tuple[str, Save]]:
    """Gives the kinds of models by their names."""
    for name, make in FORESTS.items():
        target = NUMBERS if name == "regressor" else CLASSES
        yield name, of_sklearn(make(), TABLE, target)
        yield f"{name} behind an imputer", of_sklearn(make_pipeline(SimpleImputer(), make()), TABLE, target)
        yield f"{name} behind a scaler", of_sklearn(make_pipeline(StandardScaler(), make()), TABLE, target)
        yield f"{name} behind an encoder", of_sklearn(make_pipeline(ENCODED, make()), TEXTS, target)
        yield f"{name} behind codes", of_sklearn(make_pipeline(ORDINAL, make()), TEXTS, target)
        for kind, dtype in TYPES.items():
            yield f"{name}, {kind}", of_sklearn(make(), typed(kind, dtype), target)
    for kind, dtype in TYPES.items():
        yield f"linear, {kind}", of_sklearn(LinearRegression(), typed(kind, dtype), NUMBERS)
        yield f"answers {kind}", of_function(lambda t: t["b"].tolist(), typed(kind, dtype))
    single = TABLE.astype("float32")
    yield "linear, 32 bits", of_sklearn(LinearRegression(), single, NUMBERS)
    yield (
        "forest, 32 bits",
        of_sklearn(make_pipeline(SimpleImputer(), StandardScaler(), FORESTS["regressor"]()), single, NUMBERS),
    )
    yield "linear, texts", of_sklearn(make_pipeline(ENCODED, LinearRegression()), TEXTS, NUMBERS)
    yield "codes, texts", of_sklearn(make_pipeline(ORDINAL, Ridge()), TEXTS, NUMBERS)
    target_codes = ColumnTransformer([("c", TargetEncoder(cv=2), ["c"])], remainder="passthrough")
    yield "target codes", of_sklearn(make_pipeline(target_codes, Ridge()), TEXTS, NUMBERS)
    yield "boosting", of_sklearn(HistGradientBoostingRegressor(max_iter=5), TABLE, NUMBERS)
    yield "neighbours", of_sklearn(KNeighborsClassifier(3), TABLE, CLASSES)
    yield "dummy", of_sklearn(DummyClassifier(), TABLE, CLASSES)
    yield "two targets", of_sklearn(DecisionTreeRegressor(), TABLE, TABLE)
    yield "two labels", of_sklearn(DecisionTreeClassifier(), TABLE, TABLE > 1)
    for function in ("predict_proba", "predict_log_proba"):
        yield function, of_sklearn(LogisticRegression(), TABLE, CLASSES, pyfunc_predict_fn=function)
        yield (
            f"forest, {function}",
            of_sklearn(FORESTS["forest"](), TABLE, CLASSES, pyfunc_predict_fn=function),
        )
    yield "no signature", of_sklearn(LinearRegression(), TABLE.to_numpy(), NUMBERS, signature=None)
    yield "tensor", of_sklearn(LinearRegression(), TABLE.to_numpy(), NUMBERS)
    for example in ({"a": 1.0, "b": 2.0}, [{"a": 1.0, "b": 2.0}], TABLE.head(2)):
        yield (
            f"example {type(example).__name__}",
            of_sklearn(LinearRegression(), TABLE, NUMBERS, input_example=example),
        )
    for name, answer in ANSWERS.items():
        yield f"answers {name}", of_function(answer)
    yield (
        "params",
        of_function(
            lambda t, p: [p["probabilities"] * p["n"]] * len(t),
            signature=ModelSignature(infer_signature(TABLE).inputs, params=PARAMS),
        ),
    )
    yield "times", of_function(lambda t: t["b"].astype(str).tolist(), TIMES)
    yield "ids", of_function(lambda t: t["b"].tolist(), TABLE.assign(b=2**53 + 1 + np.arange(ROWS)))
    yield "types told", of_function(lambda t: [str(d) for d in t.dtypes], TEXTS)
    yield "texts only", of_function(lambda t: [repr(v) for v in t["c"]], TEXTS[["c"]])
    optional = Schema([ColSpec("double", "a"), ColSpec("double", "b", required=False)])
    yield "optional", of_function(lambda t: sorted(t.columns), signature=ModelSignature(optional))
    yield "lists", of_function(lambda t: t["a"].tolist(), signature=ModelSignature(LISTS))
    yield "objects", of_function(lambda t: t["a"].tolist(), signature=ModelSignature(OBJECTS))
    yield "maps", of_function(size, signature=signed(ColSpec(Map("double"), "a")))
    yield "any", of_function(text, signature=signed(ColSpec(AnyType(), "a")))
    yield "bytes", of_function(size, signature=signed(ColSpec("binary", "a")))
    yield (
        "without names",
        of_function(lambda t: t.shape[1], signature=signed(ColSpec("double"), ColSpec("double"))),
    )
    for shape in ((-1,), (-1, 2), (-1, 2, 2)):
        tensor = ModelSignature(Schema([TensorSpec(np.dtype("float32"), shape)]))
        yield f"tensor {shape}", of_function(lambda t: np.asarray(t).sum(), signature=tensor)
    named = Schema([TensorSpec(np.dtype("float64"), (-1,), "a"), TensorSpec(np.dtype("int64"), (-1,), "b")])
    yield "named tensors", of_function(names_of, signature=ModelSignature(named))
    yield "no signature at all", of_function(lambda t: str(type(t).__name__), signature=None)
    yield "hinted", hinted


def hinted(folder: Path) -> pd.DataFrame:
    """A Python model whose type hint is its signature."""

    def predict(model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]

    mlflow.pyfunc.save_model(str(folder), python_model=predict, input_example=["a"], pip_requirements=[])
    return TABLE.head(3)


def bodies(rows: pd.DataFrame) -> Iterator[tuple[str, str, bytes]]:
    """Gives (name, content type, body) of requests about rows, right and wrong ones."""
    split = json.loads(rows.to_json(orient="split", date_format="iso"))
    split.pop("index")
    names, data = split["columns"], split["data"]
    records = [dict(zip(names, row, strict=True)) for row in data]
    columns = {name: [row[name] for row in records] for name in names}
    one = records[0]
    contents: dict[str, Any] = {
        "split": {"dataframe_split": split},
        "split with index": {"dataframe_split": {**split, "index": [7, 8, 9]}},
        "one row": {"dataframe_split": {"columns": names, "data": data[:1]}},
        "records": {"dataframe_records": records},
        "instances": {"instances": records},
        "inputs": {"inputs": columns},
        "inputs as records": {"inputs": records},
        "inputs of a row": {"inputs": one},
        "one list": {"inputs": columns[names[0]]},
        "texts": {"inputs": ["a", "b"]},
        "matrix": {"inputs": data},
        "numbers as texts": {"dataframe_records": [{k: str(v) for k, v in one.items()}]},
        "nulls": {"dataframe_records": [dict.fromkeys(names)]},
        "nulls beside": {"dataframe_records": [one, dict.fromkeys(names)]},
        "nulls in arrays": {"inputs": {name: [*values, None] for name, values in columns.items()}},
        "a column less": {"dataframe_split": {"columns": names[:-1], "data": [row[:-1] for row in data]}},
        "a value less": {"dataframe_records": [one, {k: v for k, v in one.items() if k != names[0]}]},
        "a column more": {"dataframe_records": [{**row, "x": [1]} for row in records]},
        "another order": {"dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in data]}},
        "no names": {"dataframe_split": {"data": data}},
        "by position": {"instances": data},
        "no rows": {"dataframe_split": {"columns": names, "data": []}},
        "nothing": {"dataframe_records": []},
        "a fraction": {"dataframe_records": [{**one, names[-1]: 3.7}]},
        "an id": {"dataframe_records": [{**one, names[-1]: 2**53 + 1}]},
        "a list": {"dataframe_records": [{**one, names[0]: [1, 2]}]},
        "a number for all": {"dataframe_records": [dict.fromkeys(names, 1)]},
        "params": {"dataframe_split": split, "params": {"n": 3, "probabilities": 0.25}},
        "wrong params": {"dataframe_split": split, "params": {"n": "x"}},
        "unknown params": {"dataframe_split": split, "params": {"m": 1}},
        "unknown key": {"dataframe_split": split, "parms": {}},
        "MLflow 1": split,
        "two forms": {"instances": records, "inputs": columns},
        "a list of rows": records,
    }
    for name, content in contents.items():
        yield name, JSON, json.dumps(content).encode()
    yield "broken", JSON, b'{"inputs": '
    infinite = json.dumps({"dataframe_records": [one]}).replace(json.dumps(one[names[0]]), "1e400")
    yield "infinite", JSON, infinite.encode()
    yield "csv", CSV, rows.to_csv(index=False).encode()
    yield "csv with gaps", CSV, f"{','.join(names)}\n{',' * (len(names) - 1)}\n".encode()
    yield "csv of words", CSV, f"{','.join(names)}\n{','.join('z' for _ in names)}\n".encode()
    out = io.BytesIO()
    rows.to_parquet(out)
    yield "parquet", PARQUET, out.getvalue()
    out = io.BytesIO()
    rows.astype({name: "int64" for name in names if rows[name].dtype == "float64"}).to_parquet(out)
    yield "parquet of whole numbers", PARQUET, out.getvalue()


MORE, LESS = (400, 200), (200, 400)
LAST_DIGITS = "the last digits of a linear model's numbers"
DIFFERENCES: dict[str, Callable[[str, tuple[int, int]], bool]] = {
    "an unknown key": lambda body, told: body == "unknown key" and told == LESS,
    "an unknown parameter": lambda body, told: "params" in body and told == LESS,
    "a Parquet column of another type": lambda body, told: "parquet" in body and told == MORE,
    "what MLflow answers with 500": lambda body, told: told == (500, 400),
    LAST_DIGITS: lambda body, told: False,  # both answer
}
"""The differences that docs/serving.md states, by the first words of a row, which bodies show here."""


def stated() -> list[str]:
    """Returns the first words of the rows of the docs' table."""
    return re.findall(r"^\| \*\*(.+?)\*\*", DOCS.read_text(encoding="utf-8"), re.MULTILINE)


def compared(
    name: str, save: Save, folder: Path, seen: Counter[str], known: set[tuple[str, str]]
) -> Iterator[str]:
    """Gives what differs and is not stated; notes how often each stated difference was seen.

    What a body means depends on the model's signature, and on who reads it: where both are `known`, few
    bodies show that the answers are right.
    """
    rows = save(folder)
    model = mlflow.pyfunc.load_model(str(folder))
    made = ready(folder, is_trusted=True)
    made.answers.warm()
    classes = None if made.answers.classes is None else made.answers.classes.tolist()
    served = Served(FetchedModel(uri="m", label="m", folder=folder, digest=""), made, classes, [], {}, {})
    answering = Answering(Limits(rows=1000), 60.0, None)
    content = getattr(made.answers, "content", None)
    tolerance = content.tolerance if content and content.weights else 0.0
    reader = str(model.metadata.signature), type(made.answers).__name__
    is_brief = reader in known
    known.add(reader)
    with TestClient(scoring_server.init(model), raise_server_exceptions=False) as client:
        for asks, kind, body in bodies(rows):
            if is_brief and asks not in BRIEF:
                continue
            stock = client.post("/invocations", content=body, headers={"content-type": kind})
            status, said = ours(answering, served, kind, body)
            if (stock.status_code, status) in {(200, 200), (400, 400)}:
                if status != 200 or alike(stock.content, said):
                    continue
                if alike(stock.content, said, tolerance):
                    seen[LAST_DIGITS] += 1
                    continue
            elif found := [
                row for row, is_so in DIFFERENCES.items() if is_so(asks, (stock.status_code, status))
            ]:
                seen[found[0]] += 1
                continue
            told = f"MLflow {stock.status_code} {stock.text[-300:]}, here {status} {said[:200]!r}"
            yield f"{name}: {asks}: {told}"
    answering.end()


def ours(answering: Answering, served: Served, kind: str, body: bytes) -> tuple[int, bytes]:
    entry = Entry(datetime.now(UTC), "1", "", "POST", "/invocations", "m")
    try:
        told = asyncio.run(answering.answer(served, kind, body, entry))
    except TableError as error:
        return error.status, str(error).encode()
    return told.status, told.body


def alike(one: bytes, other: bytes, tolerance: float = 0.0) -> bool:
    """Tells whether two replies say the same, numbers up to a relative tolerance; NaN is NaN."""
    first, second = json.loads(one), json.loads(other)
    if not tolerance:
        return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    found, wanted = (pd.json_normalize(each).explode("predictions") for each in (first, second))
    try:
        pd.testing.assert_frame_equal(found, wanted, rtol=tolerance, atol=tolerance, check_dtype=False)
    except AssertionError:
        return False
    return True


def seen_in(names: Callable[[str], bool], place: Path) -> Counter[str]:
    """Returns how often each stated difference was seen. Raises AssertionError where another one was."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    seen: Counter[str] = Counter()
    known: set[tuple[str, str]] = set()
    wrong: list[str] = []
    for number, (name, save) in enumerate(kinds()):
        if names(name):
            wrong += compared(name, save, place / str(number), seen, known)
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:40])
    return seen


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    monkeypatch.setattr("waypost.inference.probes._PROBES", 200)  # test_compile.py has the whole proof


def test_some_kinds_of_models_answer_as_under_mlflow(tmp_path: Path) -> None:
    """A dozen kinds of models, forty bodies each: MLflow's status and answer, or a stated difference."""
    seen_in(FEW.__contains__, tmp_path)


@pytest.mark.journey
def test_all_kinds_of_models_answer_as_under_mlflow(tmp_path: Path) -> None:
    """More than eighty kinds; each difference that is stated is seen."""
    assert len(list(kinds())) >= 80
    assert seen_in(lambda _: True, tmp_path).keys() == DIFFERENCES.keys()


def test_differences_are_stated() -> None:
    """What differs on purpose stands in the docs."""
    assert DIFFERENCES.keys() <= set(stated())
