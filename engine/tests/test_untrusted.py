"""Models from strangers: refused in one line, or harmless; no process falls and none grows."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, RidgeClassifier, SGDClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from tests import skops_files
from tests.skops_files import Members, parts
from waypost.contracts.mlmodel import Column
from waypost.inference.compiling import compiled_form
from waypost.inference.learned import NotCompilableError
from waypost.inference.loading import harmless
from waypost.inference.skops_archive import UnsafeError
from waypost.system.machine import cores

Edit = Callable[[Members, Any], None]

CHOOSE = np.random.default_rng(0)
X = CHOOSE.random((60, 3))
TEXTS = np.array([" ".join(CHOOSE.choice(["red", "green", "blue"], 3)) for _ in X])
CODES = CHOOSE.integers(0, 4, (60, 2))
CLASSES = (X[:, 0] > 0.5).astype(int) + (X[:, 1] > 0.5)
NUMBERS = X[:, 0] * 2
PARTS = ColumnTransformer([("codes", OneHotEncoder(), [0]), ("numbers", StandardScaler(), slice(1, 3))])

HARMLESS: dict[str, tuple[Any, Any, Any]] = {
    "bagging": (BaggingClassifier(n_estimators=2), X, CLASSES),
    "bins": (make_pipeline(KBinsDiscretizer(3), LogisticRegression()), X, CLASSES),
    "boosting": (GradientBoostingRegressor(n_estimators=3), X, NUMBERS),
    "boosting, classes": (GradientBoostingClassifier(n_estimators=3), X, CLASSES),
    "boosting, two classes": (GradientBoostingClassifier(n_estimators=3), X, CLASSES > 1),
    "clusters": (make_pipeline(StandardScaler(), KMeans(2, n_init=1)), X, None),
    "codes": (make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()), CODES, CLASSES),
    "codes, first dropped": (make_pipeline(OneHotEncoder(drop="first"), RidgeClassifier()), CODES, CLASSES),
    "codes, rare ones": (make_pipeline(OneHotEncoder(max_categories=2), RidgeClassifier()), CODES, CLASSES),
    "columns": (make_pipeline(PARTS, SGDClassifier()), np.hstack([CODES, X]), CLASSES),
    "forest": (RandomForestClassifier(3), X, CLASSES),
    "forest, two targets": (RandomForestRegressor(3), X, X[:, :2]),
    "histograms": (HistGradientBoostingRegressor(max_iter=3), X, NUMBERS),
    "histograms, classes": (HistGradientBoostingClassifier(max_iter=3), X, CLASSES),
    "isolation": (IsolationForest(n_estimators=3), X, None),
    "kernel": (SVC(), X, CLASSES),
    "kernel, linear": (SVC(kernel="linear"), X, CLASSES > 1),
    "kernel, nu": (NuSVC(nu=0.1), X, CLASSES > 1),
    "kernel, one class": (OneClassSVM(), X, None),
    "kernel, regression": (SVR(), X, NUMBERS),
    "mixture": (GaussianMixture(2), X, None),
    "neighbours": (KNeighborsClassifier(algorithm="brute"), X, CLASSES),
    "neighbours, regression": (KNeighborsRegressor(algorithm="brute", weights="distance"), X, NUMBERS),
    "powers": (make_pipeline(PolynomialFeatures(3), KNNImputer(), PoissonRegressor()), X, NUMBERS),
    "quantiles": (make_pipeline(QuantileTransformer(n_quantiles=10), RidgeClassifier()), X, CLASSES),
    "random state": (RandomForestClassifier(2, random_state=np.random.RandomState(1)), X, CLASSES),
    "target": (TransformedTargetRegressor(SVR(), func=np.log1p, inverse_func=np.expm1), X, NUMBERS),
    "target codes": (make_pipeline(TargetEncoder(), RidgeClassifier()), CODES, CLASSES),
    "threshold": (
        FixedThresholdClassifier(RandomForestClassifier(3), threshold=0.3, pos_label=1),
        X,
        1 * (CLASSES > 1),
    ),
    "words": (make_pipeline(TfidfVectorizer(), LogisticRegression()), TEXTS, CLASSES),
    "words, parts of": (
        make_pipeline(CountVectorizer(analyzer="char_wb"), RidgeClassifier()),
        TEXTS,
        CLASSES,
    ),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of all harmless models, by their names."""
    files = {}
    for name, (model, rows, target) in HARMLESS.items():
        files[name] = skops.io.dumps(model.fit(rows, target))
    return files


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_model_answers_as_it_was(name: str, stored: dict[str, bytes], tmp_path: Path) -> None:
    """Models whose parts are known load without trust, and answer as before they were stored."""
    model, rows, _ = HARMLESS[name]
    file = tmp_path / "model.skops"
    file.write_bytes(stored[name])
    np.testing.assert_array_equal(harmless(file).predict(rows), model.predict(rows))


def state_of(schema: Any, key: str, beside: str) -> dict[str, Any]:
    """Returns the part that says the first attribute of a name, of an object that has another one, too."""
    found = (part["content"] for part in parts(schema, "DictNode") if {key, beside} <= part["content"].keys())
    state: dict[str, Any] = next(found)[key]
    return state


def says(key: str, value: Any, beside: str = "") -> Edit:
    """Returns an edit that gives an attribute another simple value."""

    def edit(members: Members, schema: Any) -> None:
        part = state_of(schema, key, beside or key)
        made = json_part(value, -part["__id__"])
        part.clear()
        part |= made

    return edit


def holds(key: str, make: Callable[[Any], Any], beside: str = "") -> Edit:
    """Returns an edit that makes another array of an attribute's."""

    def edit(members: Members, schema: Any) -> None:
        name = state_of(schema, key, beside or key)["file"]
        old = np.load(io.BytesIO(members[name]))
        made = make(old)
        members[name] = skops_files.array(old if made is None else made)

    return edit


def has(key: str, value: Any) -> Edit:
    """Returns an edit that gives the outermost estimator one more attribute."""

    def edit(members: Members, schema: Any) -> None:
        own = schema["content"]
        own["key_types"]["content"].append({**own["key_types"]["content"][0], "__id__": -1})
        own["content"][key] = json_part(value, -2)

    return edit


def json_part(value: Any, number: int) -> dict[str, Any]:
    return part("JsonNode", "builtins.str", number, content=json.dumps(value), is_json=True)


def node(number: int, **fields: Any) -> Edit:
    """Returns an edit that gives a node of the first tree other values."""

    def make(nodes: Any) -> None:
        for name, value in fields.items():
            nodes[name][number] = value

    return holds("nodes", make)


def grown(shape: tuple[int, ...]) -> Callable[[Any], Any]:
    return lambda old: np.resize(old, shape)


HOSTILE: dict[str, tuple[str, Edit, str]] = {
    "a child far outside": ("forest", node(0, left_child=2**40), "outside its nodes, or backwards"),
    "a child just outside": ("forest", node(0, right_child=10_000), "outside its nodes, or backwards"),
    "a cycle": ("forest", node(0, left_child=0, right_child=0), "outside its nodes, or backwards"),
    "a child before": ("forest", node(1, left_child=1, right_child=2), "outside its nodes, or backwards"),
    "a child below -1": ("forest", node(0, left_child=-2), "outside its nodes, or backwards"),
    "one child": ("forest", node(0, left_child=-1), "only one child"),
    "two parents": ("forest", node(0, left_child=2, right_child=2), "not have exactly one parent"),
    "a leaf that is the root": (
        "forest",
        node(0, left_child=-1, right_child=-1),
        "not have exactly one parent",
    ),
    "a feature outside": ("forest", node(0, feature=3), "feature that does not exist"),
    "a feature below 0": ("forest", node(0, feature=-1), "feature that does not exist"),
    "a threshold that is no number": ("forest", node(0, threshold=np.nan), "threshold that is not a number"),
    "values that are no numbers": (
        "forest",
        holds("values", lambda v: np.full_like(v, np.inf)),
        "is not a number",
    ),
    "more nodes than it says": ("forest", says("node_count", 1), "wrong number of nodes"),
    "nodes below 0": ("forest", says("node_count", -1), "wrong number of nodes"),
    "deeper than it says": ("forest", says("max_depth", 0, beside="nodes"), "wrong depth"),
    "far less deep than it says": ("forest", says("max_depth", 2**40, beside="nodes"), "wrong depth"),
    "more features than its trees": ("forest", says("n_features_in_", 2), "differ"),
    "no features": ("forest", says("n_features_in_", None), "other features|differ|parts are inconsistent"),
    "classes without end": ("forest", says("n_classes_", 2**40), "differ|number of classes"),
    "outputs without end": ("forest", says("n_outputs_", 2**40), "differ"),
    "boosted: steps of other outputs": (
        "boosting, classes",
        says("n_trees_per_iteration_", 1),
        "inconsistent",
    ),
    "boosted: a start of fewer classes": (
        "boosting, classes",
        holds("class_prior_", grown((2,))),
        "inconsistent",
    ),
    "boosted: a start that is a table": (
        "boosting, classes",
        holds("class_prior_", grown((3, 1))),
        "inconsistent",
    ),
    "boosted: a child far outside": ("boosting", node(0, left_child=2**40), "outside its nodes"),
    "histogram: a child far outside": ("histograms", node(0, left=2**31), "outside its nodes, or backwards"),
    "histogram: a cycle": ("histograms", node(0, left=0), "outside its nodes, or backwards"),
    "histogram: a feature outside": ("histograms", node(0, feature_idx=10**9), "feature that does not exist"),
    "histogram: categories": ("histograms", node(0, is_categorical=1, bitset_idx=10**6), "inconsistent"),
    "histogram: no nodes": ("histograms", holds("nodes", lambda nodes: nodes[:0]), "inconsistent"),
    "histogram: categorical features": (
        "histograms",
        holds("is_categorical_", lambda old: old + 1, beside="bin_thresholds_"),
        "splits by categories",
    ),
    "kernel: fewer vectors": ("kernel", holds("support_vectors_", lambda v: v[:-1]), "inconsistent"),
    "kernel: shorter vectors": (
        "kernel",
        holds("support_vectors_", lambda v: v[:, :1].copy()),
        "inconsistent",
    ),
    "kernel: more of them said": ("kernel", holds("_n_support", lambda n: n * 1000), "inconsistent"),
    "kernel: some below 0": (
        "kernel",
        holds("_n_support", lambda n: n - [n[0] + 1, -n[0] - 1, 0]),
        "inconsistent",
    ),
    "kernel: other classes": ("kernel", holds("_n_support", grown((100,))), "inconsistent"),
    "kernel: fewer weights": ("kernel", holds("_dual_coef_", lambda v: v[:, :1].copy()), "inconsistent"),
    "kernel: fewer intercepts": ("kernel", holds("_intercept_", lambda v: v[:1]), "inconsistent"),
    "kernel: chances": ("kernel", holds("_probA", lambda v: np.zeros(1)), "inconsistent"),
    "kernel: computed before": ("kernel", says("kernel", "precomputed"), "kernel is unknown"),
    "neighbours: a label outside": ("neighbours", holds("_y", lambda y: y + 10**9), "inconsistent"),
    "neighbours: shorter rows": ("neighbours", holds("_fit_X", lambda v: v[:, :1].copy()), "inconsistent"),
    "neighbours: fewer rows": ("neighbours", holds("_fit_X", lambda v: v[:3]), "inconsistent"),
    "neighbours: more of them asked": ("neighbours", says("n_neighbors", 10**9), "inconsistent"),
    "neighbours: another distance": ("neighbours", says("metric", "haversine"), "metric is unknown"),
    "clusters: shorter centres": (
        "clusters",
        holds("cluster_centers_", lambda v: v[:, :1].copy()),
        "inconsistent",
    ),
    "codes: fewer columns": ("codes", says("_n_features_outs", [1, 4]), "inconsistent"),
    "codes: columns without end": ("codes", says("_n_features_outs", [4, 2**40]), "inconsistent"),
    "powers: without end": ("powers", says("_max_degree", 10**9), "inconsistent"),
    "powers: columns without end": ("powers", says("_n_out_full", 10**12), "inconsistent"),
    "missing: another distance": ("powers", says("metric", "haversine"), "unknown distance"),
    "threshold: over another method": ("threshold", says("response_method", "set_params"), "unknown method"),
    "words: a column outside": ("words", says("red", 10**9), "no column"),
    "words: a column below 0": ("words", says("red", -1), "no column"),
    "words: two in one column": ("words", says("red", 0), "no column"),
    "words: files by name": ("words", says("input", "filename"), "reads files"),
    "words: a pattern that takes for ever": ("words", says("token_pattern", "(a+)+$"), "may never end"),
    "words: long n-grams": ("words", says("ngram_range", [1, 10**6]), "too many words"),
    "random state beyond its end": (
        "random state",
        says("pos", 10**6),
        "RandomState, which cannot be checked",
    ),
    "a method replaced": ("forest", has("predict", 1), "it replaces predict"),
    "a type replaced": ("forest", has("__class__", 1), "it replaces __class__"),
    "another kind of vectors": ("kernel", has("_impl", "epsilon_svr"), "it replaces _impl"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_impossible_content_is_refused(name: str, stored: dict[str, bytes], tmp_path: Path) -> None:
    """What native code would follow out of its arrays, or without end, is found before anything is asked."""
    kind, edit, problem = HOSTILE[name]
    file = tmp_path / "model.skops"
    file.write_bytes(stored[kind])
    skops_files.change(file, edit)
    with pytest.raises(UnsafeError, match=problem):
        harmless(file)


def chain(levels: int) -> Tree:
    """Returns a tree whose every node has a leaf and the next node."""
    nodes = np.zeros(
        2 * levels + 1, DecisionTreeClassifier().fit(X, CLASSES).tree_.__getstate__()["nodes"].dtype
    )
    inner = np.arange(0, 2 * levels, 2)
    nodes["left_child"] = nodes["right_child"] = -1
    nodes["left_child"][inner], nodes["right_child"][inner] = inner + 1, inner + 2
    tree = Tree(3, np.array([3]), 1)
    values = np.ones((len(nodes), 1, 3))
    tree.__setstate__({"max_depth": levels, "node_count": len(nodes), "nodes": nodes, "values": values})
    return tree


def test_parts_of_an_estimator_are_nobody_elses(tmp_path: Path) -> None:
    """A tree or a mapper of bins answers whoever calls it: only their owner may, which checks the rows."""
    tree = DecisionTreeClassifier().fit(X, CLASSES)
    boosting = HistGradientBoostingClassifier(max_iter=2).fit(X, CLASSES)
    for inner in (tree.tree_, boosting._predictors[0][0], boosting._bin_mapper):
        for model in (
            make_pipeline(StandardScaler(), inner),
            {"owner": tree, "other": boosting, "step": inner},
        ):
            skops.io.dump(model, tmp_path / "model.skops")
            with pytest.raises(UnsafeError, match="which cannot be checked"):
                harmless(tmp_path / "model.skops")


def test_very_deep_tree_is_refused(tmp_path: Path) -> None:
    """A tree of 20,000 levels would end ONNX Runtime, which follows it by calling itself."""
    model = DecisionTreeClassifier().fit(X, CLASSES)
    model.tree_ = chain(20_000)
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(UnsafeError, match="deeper than 10,000"):
        harmless(tmp_path / "model.skops")
    columns = [Column(name=name, type="double") for name in "abc"]
    with pytest.raises(NotCompilableError, match="deeper than 1,000"):
        compiled_form(model, columns)


def test_no_more_workers_than_cores_and_no_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A million workers is no more than the machine has cores; what a model says is its answer."""
    model = RandomForestClassifier(2).fit(X, CLASSES).set_params(n_jobs=10**6, verbose=100)
    skops.io.dump(model, tmp_path / "model.skops")
    found = harmless(tmp_path / "model.skops")
    assert found.n_jobs <= cores()
    found.predict(X)
    assert capfd.readouterr() == ("", "")


def zipped(schema: Any, members: Members | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in (members or {}).items():
            archive.writestr(name, content)
        archive.writestr("schema.json", schema if isinstance(schema, (str, bytes)) else json.dumps(schema))
    return out.getvalue()


def part(loader: str, kind: str, number: int = 1, **more: Any) -> dict[str, Any]:
    module, _, name = kind.rpartition(".")
    return {"__loader__": loader, "__module__": module, "__class__": name, "__id__": number, **more}


def whole(loader: str, kind: str, **more: Any) -> dict[str, Any]:
    return part(loader, kind, protocol=PROTOCOL, _skops_version="0", **more)


def some(loader: str, kind: str, **more: Any) -> dict[str, Any]:
    """Returns a list with one part in it, as a schema."""
    return whole("ListNode", "builtins.list", content=[part(loader, kind, 2, **more)])


def twice(member: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of the second name
        archive.writestr(member, content)
        archive.writestr(member, content)
    return out.getvalue()


def compressed(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.npy", bytes(size))
        archive.writestr("schema.json", "{}")
    return out.getvalue()


def lying(kind: str, shape: str, content: bytes = b"") -> Members:
    """Returns a member that says to be a larger array than it is."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return {"1.npy": b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content}


PROTOCOL = skops.io._protocol.PROTOCOL
ARRAY = part("NdArrayNode", "numpy.ndarray", 2, type="numpy", file="1.npy")
EMPTY = part("TupleNode", "builtins.tuple", 3, content=[])
TEXT = part("JsonNode", "builtins.str", 4, content='"x"')
NESTED = part("ListNode", "builtins.list", 7, content=[part("ListNode", "builtins.list", 8, content=[])])
STATE = part("TupleNode", "builtins.tuple", 5, content=[TEXT])

FILES: dict[str, tuple[bytes, str]] = {
    "no zip": (b"hello", "not a skops file"),
    "nothing": (b"", "not a skops file"),
    "cut off": (zipped({"protocol": 2})[:-30], "not a skops file"),
    "no schema": (b"PK\x05\x06" + bytes(18), "not a skops file"),
    "two of one name": (twice("schema.json", b"{}"), "two members with the same name"),
    "a bomb": (compressed(80 << 20), "would become"),
    "a schema that is no JSON": (zipped("{"), "not a skops file"),
    "a schema of another encoding": (zipped(b"\xff\xfe{"), "not a skops file"),
    "a schema without end": (zipped("[" * 100_000), "RecursionError"),
    "a schema that is a number": (zipped("1"), "parts are inconsistent"),
    "a schema without its keys": (zipped("{}"), "parts are inconsistent"),
    "a schema of the future": (
        zipped(whole("ListNode", "builtins.list", content=[]) | {"protocol": 99}),
        "99",
    ),
    "no number for its parts": (
        zipped(whole("ListNode", "builtins.list", content=[{"__id__": []}])),
        "damaged",
    ),
    "a large array in few bytes": (
        zipped(whole("ListNode", "builtins.list", content=[ARRAY]), lying("<f8", "(1099511627776,)")),
        "not have the size",
    ),
    "many items of no size": (
        zipped(whole("ListNode", "builtins.list", content=[ARRAY]), lying("<U0", "(1099511627776,)")),
        "not have the size",
    ),
    "an array of objects": (
        zipped(whole("ListNode", "builtins.list", content=[ARRAY]), lying("|O", "(1,)", bytes(8))),
        "not have the size",
    ),
    "an array with a long header": (
        zipped(whole("ListNode", "builtins.list", content=[ARRAY]), lying("<f8", "(1," + " " * 20_000 + ")")),
        "has a header of",
    ),
    "an array that is not there": (zipped(whole("ListNode", "builtins.list", content=[ARRAY])), "damaged"),
    "one array for several": (
        zipped(
            whole("ListNode", "builtins.list", content=[ARRAY, ARRAY | {"__id__": 9}]),
            {"1.npy": skops_files.array([1.0])},
        ),
        "one array for several",
    ),
    "a part said twice": (
        zipped(
            whole(
                "ListNode",
                "builtins.list",
                content=[NESTED, part("ListNode", "builtins.list", 7, content=[])],
            )
        ),
        "twice, and differently",
    ),
    "a part of itself": (
        zipped(
            whole("ListNode", "builtins.list", content=[part("ListNode", "builtins.list", 1, content=[])])
        ),
        "twice, and differently",
    ),
    "a part that is only named": (
        zipped(whole("ListNode", "builtins.list", content=[NESTED, {"__id__": 7}])),
        "twice, and differently",
    ),
    "a cached part": (zipped(some("CachedNode", "builtins.list")), "cannot be checked"),
    "a method": (zipped(some("MethodNode", "builtins.list")), "cannot be checked"),
    "a partial": (zipped(some("PartialNode", "functools.partial")), "cannot be checked"),
    "a sparse matrix": (zipped(some("SparseMatrixNode", "scipy.sparse._base.spmatrix")), "cannot be checked"),
    "a masked array": (zipped(some("MaskedArrayNode", "numpy.ma.MaskedArray")), "cannot be checked"),
    "a type by its constructor": (
        zipped(some("ConstructorFromReduceNode", "numpy.dtype", content=EMPTY)),
        "cannot be checked",
    ),
    "a type as an object": (zipped(some("ObjectNode", "numpy.dtype", content=STATE)), "as ObjectNode"),
    "a tree as an object": (zipped(some("ObjectNode", "sklearn.tree._tree.Tree")), "as ObjectNode"),
    "a tree as a list": (zipped(some("ListNode", "sklearn.tree._tree.Tree", content=[])), "as ListNode"),
    "a size as a number": (
        zipped(
            some("NdArrayNode", "numpy.void", type="numpy", file="1.npy"), {"1.npy": skops_files.array(2**40)}
        ),
        "numpy.void as NdArrayNode",
    ),
    "a loss with a state": (
        zipped(
            some(
                "LossNode",
                "sklearn._loss._loss.CyHuberLoss",
                content=STATE,
                __reduce__={"args": EMPTY},
            )
        ),
        "brings a state",
    ),
    "a generator with a pool": (
        zipped(
            some(
                "RandomGeneratorNode",
                "numpy.random._generator.Generator",
                content={"seed_seq": {"content": {"pool_size": TEXT}}},
            )
        ),
        "brings a state",
    ),
    "a function that runs": (
        zipped(some("FunctionNode", "os.system")),
        "requires building os.system, which may run",
    ),
    "a class that runs": (
        zipped(some("ObjectNode", "subprocess.Popen")),
        "requires building subprocess.Popen",
    ),
    "a part of a vote": (
        zipped(
            some(
                "DictNode",
                "sklearn.utils._bunch.Bunch",
                content={},
                key_types=part("ListNode", "builtins.list", 3, content=[]),
            )
        ),
        "requires building sklearn.utils._bunch.Bunch",
    ),
    "another library's model": (
        zipped(some("ObjectNode", "xgboost.core.Booster")),
        "requires building xgboost.core.Booster, which may run",
    ),
    "a function of SciPy's": (
        zipped(some("FunctionNode", "scipy.special._ufuncs.eval_hermite")),
        "cannot be checked",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_file_is_refused(name: str, tmp_path: Path) -> None:
    """Bombs, cycles, lies about sizes and what runs code: one line, before anything of it is built."""
    content, problem = FILES[name]
    file = tmp_path / "model.skops"
    file.write_bytes(content)
    with pytest.raises(UnsafeError, match=problem) as error:
        harmless(file)
    assert "\n" not in str(error.value)
