"""What MLflow's own page of a run shows: images that stand alone, and a description that fits."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET  # our own SVG
from dataclasses import replace

import pytest

from tests.unit.test_report_page import EVIL, LOAD, RUN, TRAIN, hostile
from waypost.contracts.figures import parse_figures
from waypost.pages.description import description, shortest
from waypost.pages.facts import NO_FIGURES, Picture, Run, Step
from waypost.pages.plots import GRAPH, MOST_PLOTS, plots

SVG = "{http://www.w3.org/2000/svg}"


def with_curves(count: int, *titles: str) -> Step:
    """Returns a step with a figure of the model for each title, of so many curves."""
    figure = {
        "part": "model",
        "mark": "line",
        "columns": [{"name": "x"}, {"name": "y"}, {"name": "class"}],
        "rows": [[x, x * n, f"class {n}"] for n in range(count) for x in (0, 1)],
        "x": "x",
        "y": "y",
        "series": "class",
    }
    figures = [{"title": title, **figure} for title in titles]
    return replace(TRAIN, figures=parse_figures(json.dumps({"schema": 1, "figures": figures}), "f"))


def test_key_plots_stand_alone() -> None:
    """The graph, then what the last steps say of the model: each an image with its title, style and legend,
    under a name that sorts, and no more of them than a person looks at.
    """
    run = replace(RUN, steps=(LOAD, with_curves(3, "ROC, 7 rows", *map(str, range(20)))))
    found = plots(run)
    assert list(found)[:2] == [GRAPH, "plots/1-roc-7-rows.svg"]
    assert len(found) == MOST_PLOTS + 1
    for content in found.values():
        image = ET.fromstring(content)
        assert image.tag == f"{SVG}svg"
        assert image.find(f"{SVG}title") is not None
        assert b"http" not in content.replace(b'xmlns="http://www.w3.org/2000/svg"', b"")
    assert b"class 2</text>" in found["plots/1-roc-7-rows.svg"]
    assert plots(run) == found


@pytest.mark.parametrize("count", [15, 40])
def test_many_classes_stay_readable(count: int) -> None:
    """The legend of 15 or 40 curves names as many as there are colours, and says where the others are."""
    [*_, content] = plots(replace(RUN, steps=(with_curves(count, "ROC"),))).values()
    texts = [text.text for text in ET.fromstring(content).iter(f"{SVG}text")]
    assert f"{count - 8} more, in the report" in texts
    assert "class 7" in texts
    assert "class 8" not in texts


def test_a_confusion_of_forty_classes_fits() -> None:
    """All cells of 40 classes are drawn; what a cell tells by pointing at it is left out of an image."""
    rows = [[f"class {a}", f"class {b}", 0.5, 7] for a in range(40) for b in range(40)]
    names = [{"name": name} for name in ("true", "said", "share", "rows")]
    figure = {"title": "Confusion", "part": "model", "mark": "heat", "columns": names, "rows": rows}
    drawn = {**figure, "x": "said", "y": "true", "value": "share", "label": "rows"}
    step = replace(TRAIN, figures=parse_figures(json.dumps({"schema": 1, "figures": [drawn]}), "f"))
    [*_, content] = plots(replace(RUN, steps=(step,))).values()
    image = ET.fromstring(content)
    ground, shade_of_nothing = 1, 1
    assert len(list(image.iter(f"{SVG}rect"))) == 1600 + ground + shade_of_nothing
    assert len(list(image.iter(f"{SVG}title"))) == 2
    assert len(content) < 250_000


def test_runs_without_figures_show_what_steps_logged() -> None:
    """Images of the last steps are taken as they are; an SVG, which may hold a script, is not."""
    pictures = (Picture("plots/ROC curve.PNG", "png", b"1"), Picture("a.svg", "svg+xml", b"<svg/>"))
    run = replace(RUN, steps=(LOAD, replace(TRAIN, figures=NO_FIGURES, pictures=pictures)))
    found = plots(run)
    assert list(found) == [GRAPH, "plots/1-roc-curve.png"]
    assert found["plots/1-roc-curve.png"] == b"1"


def test_foreign_titles_do_nothing() -> None:
    """No title makes an element, or a path out of the folder."""
    found = plots(replace(RUN, steps=(with_curves(2, EVIL, "../../x", "日本"),)))
    assert list(found)[2:] == ["plots/2-x.svg", "plots/3-figure.svg"]
    assert not any(b"<script" in content or b"<img" in content for content in found.values())
    assert plots(hostile())


def linked(count: int) -> Run:
    steps = tuple(replace(TRAIN, name=f"s{n}", needs=(f"s{n - 1}",) if n else ()) for n in range(count))
    return replace(RUN, experiment="7", steps=steps)


def test_descriptions_lead_on() -> None:
    """The first line has verdict, quality and the way to the page; steps lead to their runs."""
    text = description(linked(3), "report.html", [GRAPH])
    first = text.splitlines()[0]
    assert "**Finished.**" in first
    assert "s2/auc 0.7100" in first
    assert f"](#/experiments/7/runs/{'0' * 32}/artifacts/report.html" in first
    assert f"| [s1](#/experiments/7/runs/{TRAIN.run_id}?workflowType=machine_learning) | done | s0 |" in text
    assert f"![{GRAPH}](get-artifact?path={GRAPH}&run_uuid={'0' * 32})" in text


@pytest.mark.parametrize(("steps", "kept"), [(10, "[s9]("), (60, "s59  done"), (500, "waypost reproduce")])
def test_descriptions_fit(steps: int, kept: str) -> None:
    """Where not all of it fits, images go first, then links, then the steps: never half of something."""
    text = description(linked(steps), "report.html", [GRAPH] * 7)
    assert len(text) <= 4800
    assert kept in text
    assert text.endswith("`")
    assert shortest(linked(steps), "report.html") == text.splitlines()[0]
