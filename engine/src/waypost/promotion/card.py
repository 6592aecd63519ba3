"""The model card: what stakeholders need to know of a model, as Markdown.

Source of its sections: Mitchell et al., Model Cards for Model Reporting (2019), doi:10.1145/3287560.3287596.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waypost.contracts.mlmodel import MLmodel
from waypost.inference.proof import Proof
from waypost.texts.escaping import markdown_code, markdown_text, one_line

_FEW_ROWS = 50


@dataclass(frozen=True)
class Facts:
    """The content of a card. `components` are (step, component and version, tree); `data` are digests;
    `qualities` are the metrics of the model's quality; `command` produced it, with `differing` parameters
    (other than in params.yaml) and `dirty` (uncommitted) files.
    """

    name: str
    version: str
    pipeline: str
    run_id: str
    release: str
    release_url: str
    commit: str
    components: Sequence[tuple[str, str, str]]
    data: Mapping[str, str]
    metrics: Mapping[str, float]
    qualities: Sequence[str]
    mlmodel: MLmodel
    proof: Proof
    notes: str = ""
    command: str = ""
    differing: Sequence[str] = ()
    dirty: str = ""


def card(facts: Facts) -> str:
    """Returns the card."""
    parts = [
        f"# {markdown_text(facts.name)}, version {facts.version}",
        _origin(facts),
        _table("Metrics on held-out data", ("metric", "value"), _overall(facts)),
        _table("By class", ("class", "rows", "precision", "recall", "f1"), _by_class(facts.metrics)),
        _table("By slice", ("slice", "rows", "accuracy", "roc_auc"), _by_slice(facts.metrics)),
        _limits(facts),
        _features(facts.mlmodel),
        _table(
            "Data",
            ("table", "sha256"),
            [(markdown_text(n), _code(d)) for n, d in facts.data.items()],
        ),
        _table(
            "Components",
            ("step", "component", "tree"),
            [(s, markdown_text(component), _code(tree)) for s, component, tree in facts.components],
        ),
        _again(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _origin(facts: Facts) -> str:
    flavour = "scikit-learn pipeline" if facts.mlmodel.sklearn else "MLflow model"
    release = f"release {facts.release}" if facts.release else "no release"
    target = (facts.mlmodel.metadata or {}).get("target")
    answers = f" It predicts {markdown_code(str(target))}." if target else ""
    maker = f" by the pipeline {markdown_text(facts.pipeline)}" if facts.pipeline else ""
    return f"A {flavour}{maker}, {release}, run `{facts.run_id}`.{answers}"


def _code(text: str) -> str:
    return markdown_code(text, in_table=True)


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(cells) + " |" for cells in (names, ["---"] * len(names), *rows)]
    return "\n".join([f"## {title}", *lines])


def _overall(facts: Facts) -> list[tuple[str, str]]:
    return [(markdown_text(n.rpartition("/")[2]), f"{facts.metrics[n]:.4g}") for n in facts.qualities]


def _groups(metrics: Mapping[str, float], kind: str) -> dict[str, dict[str, float]]:
    """Returns metrics of the form `step/KIND/GROUP/METRIC` by group."""
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        before, sep, rest = f"/{name}".partition(f"/{kind}/")
        if sep and before.count("/") <= 1:
            group, _, metric = rest.rpartition("/")
            found.setdefault(group, {})[metric] = value
    return found


def _by_class(metrics: Mapping[str, float]) -> list[tuple[str, ...]]:
    return [
        (
            markdown_text(name),
            f"{values.get('support', 0):.0f}",
            *_figures(values, "precision", "recall", "f1"),
        )
        for name, values in _groups(metrics, "class").items()
    ]


def _by_slice(metrics: Mapping[str, float]) -> list[tuple[str, ...]]:
    return [
        (
            markdown_text(name.replace("/", " = ", 1)),
            f"{values.get('rows', 0):.0f}",
            *_figures(values, "accuracy", "roc_auc"),
        )
        for name, values in _groups(metrics, "slice").items()
    ]


def _figures(values: Mapping[str, float], *names: str) -> list[str]:
    return [f"{values[name]:.3f}" if name in values else "–" for name in names]


def _limits(facts: Facts) -> str:
    found = []
    for name, values in _groups(facts.metrics, "class").items():
        if values.get("recall", 1.0) < 0.1:
            found.append(f"Class {markdown_text(name)} is rarely found: recall {values['recall']:.2f}.")
        if values.get("support", _FEW_ROWS) < _FEW_ROWS:
            found.append(f"Class {markdown_text(name)} was tested on {values['support']:.0f} rows only.")
    for name, values in _groups(facts.metrics, "slice").items():
        if values.get("rows", _FEW_ROWS) < _FEW_ROWS:
            slice_ = markdown_text(name.replace("/", " = ", 1))
            found.append(f"{slice_} was tested on {values['rows']:.0f} rows only.")
    found.append(
        "It reflects the data that it was trained on; `waypost check-drift` detects changes of the data."
    )
    if not facts.proof.is_equal:
        found.append(f"It is served by the original, not compiled: {markdown_text(facts.proof.reason)}.")
    lines = [f"- {text}" for text in found]
    return "\n".join(["## Limits", *lines, *([f"\n{facts.notes.strip()}"] if facts.notes.strip() else [])])


def _features(mlmodel: MLmodel) -> str:
    kinds: dict[str, list[str]] = {}
    for column in mlmodel.inputs:
        kinds.setdefault(column.type, []).append(markdown_code(column.name))
    lines = [f"- {kind}: {', '.join(names)}" for kind, names in kinds.items()]
    return "\n".join([f"## Features ({len(mlmodel.inputs)})", *lines]) if lines else ""


def _again(facts: Facts) -> str:
    lines = ["## How to reproduce it"]
    if facts.release and facts.release_url and not facts.differing:
        lines.append(f"    waypost reproduce {one_line(facts.release_url)}@{facts.release}")
    elif facts.command:
        lines.append(f"    waypost reproduce runs:/{facts.run_id}")
    if facts.command:
        where = f", at commit `{facts.commit}` of the pipeline's repository" if facts.commit else ""
        lines.append(f"\nIt was produced by {markdown_code(one_line(facts.command))}{where}.")
    elif facts.commit and not facts.release:
        lines.append(f"Commit `{facts.commit}` of the pipeline's repository: `waypost run`.")
    elif not facts.release:
        lines.append("The run has neither a release nor a commit, so it may not be reproducible.")
    if facts.differing:
        overrides = ", ".join(markdown_code(one_line(text)) for text in facts.differing)
        lines.append(f"\nParameters that differ from params.yaml (its values in parentheses): {overrides}.")
    if facts.dirty:
        files = markdown_text(facts.dirty)
        lines.append(f"\n**Some of its files were not committed**: {files}. The run keeps the changes.")
    return "\n".join(lines)
