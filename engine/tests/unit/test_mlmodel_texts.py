"""What an MLmodel file says, and how an odd one is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.contracts.mlmodel import parse_mlmodel, signature_in
from waypost.errors import FindingsError

SKOPS = "{sklearn: {pickled_model: model.skops, serialization_format: skops}}"


def signed(*columns: Any) -> str:
    return f"flavors: {SKOPS}\nsignature: {{inputs: {json.dumps(json.dumps(columns))}}}"


def test_columns_are_read() -> None:
    """Columns are read, those that no table of numbers and texts has as "other"; tensors, and whatever else
    is said, are no columns.
    """
    double = {"type": "double", "name": "a", "required": True}
    assert [c.name for c in parse_mlmodel(signed(double), "MLmodel").inputs] == ["a"]
    for kind in ("array", "datetime", "object"):
        found = parse_mlmodel(signed(double, {"type": kind, "name": "b"}), "MLmodel").inputs
        assert [c.kind for c in found] == ["number", "other"]
    for other in (
        {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}},
        *(
            {"type": {"deep": []}, "name": "a"},
            {"type": "double", "name": {}},
            "double",
            1,
            None,
            [],
            double | {"name": 1},
        ),
    ):
        assert parse_mlmodel(signed(double, other), "MLmodel").inputs == ()
    assert parse_mlmodel(f"flavors: {SKOPS}\nsignature: {{inputs: '5'}}", "MLmodel").inputs == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "flavors: Field required"),
        ("- a\n- b", "a mapping is expected"),
        ("flavors: [1]", "flavors: "),
        ("flavors: {}", "it has no flavors"),
        ("flavors: {sklearn: 1}", "flavors.sklearn: "),
        ("flavors: {1: {}}", "flavors"),
        ("flavors: {sklearn: {pickled_model: [1]}}", "pickled_model|Sklearn"),
        (f"flavors: {SKOPS}\nsignature: 1", "signature: "),
        (f"flavors: {SKOPS}\nsignature: {{inputs: [1]}}", "signature.inputs: "),
        (f"flavors: {SKOPS}\nsignature: {{inputs: nothing}}", "the signature: not valid JSON"),
        (f"flavors: {SKOPS}\nsignature: {{outputs: '[{{'}}", "the signature: not valid JSON"),
        (f"flavors: {SKOPS}\nsignature: {{inputs: '{'[' * 100_000}'}}", "the signature: not valid JSON"),
        (signed({"type": "double", "name": "a", "required": [1]}), "Column|required"),
        (signed({"type": "double", "name": "a"}, {"type": "long", "name": "a"}), "with the same name"),
        ("flavors: {sklearn: {pickled_model: ../other/model.skops}}", "sklearn.pickled_model: .* leaves"),
        ("flavors: {sklearn: {pickled_model: /etc/passwd}}", "sklearn.pickled_model: .* leaves"),
        ("flavors: {python_function: {code: a/../../b}}", "python_function.code: .* leaves"),
        ("flavors: {python_function: {artifacts: {x: {path: ../y}}}}", "artifacts.x: .* leaves"),
        ("flavors: {python_function: {artifacts: {x: {path: /y}}}}", "artifacts.x: .* leaves"),
        ("metadata: 1\nflavors: {a: {}}", "metadata: "),
    ],
)  # fmt: skip
def test_odd_file_is_told(text: str, problem: str) -> None:
    """One finding that names the file, and the key where there is one."""
    with pytest.raises(FindingsError, match=problem) as error:
        parse_mlmodel(text, "folder/MLmodel")
    assert len(error.value.findings) == 1
    assert str(error.value.findings[0]).startswith("folder/MLmodel")
    assert "\n" not in str(error.value.findings[0])


def test_words_of_a_refusal() -> None:
    """The first mistake, in our words: where it stands, once, and what it is."""
    said = {
        "flavors: {sklearn: 1}\nmetadata: 1": "flavors.sklearn: Input should be a valid dictionary",
        "flavors: {}": "it has no flavors",
        f"flavors: {SKOPS}\nsignature: {{inputs: nothing}}": "the signature: not valid JSON",
    }
    for text, problem in said.items():
        with pytest.raises(FindingsError) as error:
            parse_mlmodel(text, "MLmodel")
        assert error.value.findings[0].problem.startswith(f"not an MLflow model: {problem}")


def test_paths_that_stay_inside() -> None:
    """A path below the model's folder, one with dots in a name, and what is no path: all are taken."""
    content = "{model_path: a/b, data: ..a, code: lib, artifacts: {x: {path: c/d}, y: 1}, env: ../x}"
    assert parse_mlmodel(f"flavors: {{python_function: {content}}}", "MLmodel").flavors
    assert parse_mlmodel("flavors: {python_function: {artifacts: [a]}}", "MLmodel").flavors


def test_a_signature_as_it_is_written() -> None:
    """Each part that is there is read; what is no mapping of texts is refused."""
    text = "signature: {inputs: '[{}]', outputs: null, params: '[1]'}"
    assert signature_in(text, "MLmodel") == {"inputs": [{}], "params": [1]}
    assert signature_in("flavors: {}", "MLmodel") == {}
    for wrong in ("signature: 1", "signature: {inputs: [1]}"):
        with pytest.raises(FindingsError, match="a mapping of texts is expected"):
            signature_in(wrong, "MLmodel")
