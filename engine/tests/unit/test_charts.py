"""Charts: what is drawn is what the table says, and nothing of it can act."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET  # our own SVG
from typing import Any

import pytest

from waypost.contracts.figures import Figure
from waypost.pages.charts.bars import bar_chart
from waypost.pages.charts.curves import curve_chart, curves_of
from waypost.pages.charts.graph import Node, graph_chart, levels
from waypost.pages.charts.heat import heat_chart
from waypost.pages.charts.svg import Chart, cut, room_for
from waypost.pages.charts.timeline import Span, timeline_chart
from waypost.pages.frame import own
from waypost.pages.html import Html, escaped, tag
from waypost.pages.numbers import duration, number, signed
from waypost.pages.scales import scale

EVIL = """"><script>alert(1)</script>&'`\x1b[2J\u202e"""


def figure(mark: str, rows: list[Any], **drawn: Any) -> Figure:
    columns = [{"name": name} for name in ("x", "y", "z", "t")[: len(rows[0]) if rows else 2]]
    content = {"title": "T", "mark": mark, "columns": columns, "rows": rows, "x": "x", "y": "y", **drawn}
    return Figure.model_validate(content)


def parsed(chart: Chart | Html | None) -> ET.Element:
    """Returns the SVG, which has to be well-formed, with a title."""
    assert chart is not None
    text = chart.html if isinstance(chart, Chart) else chart
    svg = ET.fromstring(re.search(r"<svg role=.*?</svg>", text, re.DOTALL)[0])  # type: ignore[index]
    title = svg.find("title")
    assert svg.get("role") == "img"
    assert title is not None
    assert title.text
    return svg


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (3, 47, [10, 20, 30, 40]),
        (-2, 2, [-2, -1, 0, 1, 2]),
        (5, 5, [4.6, 4.8, 5, 5.2, 5.4]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    """Ticks stand at round numbers within the scale; a scale without extent gets some."""
    assert scale([low, high], 0, 100).ticks() == pytest.approx(ticks)


def test_odd_numbers_have_a_scale() -> None:
    """NaN and infinity do not spoil a scale, and no values make one, too."""
    assert scale([math.nan, math.inf, 1, 3], 0, 10)(2) == 5
    assert scale([], 0, 10).ticks()


def test_bars_are_as_long_as_their_values() -> None:
    """Bars begin at zero, to both sides of it; a row without a number has none."""
    svg = parsed(bar_chart(figure("bar", [["a", 2.0], ["b", -1.0], ["c", None]])))
    first, second = (float(rect.get("width", 0)) for rect in svg.iter("rect"))
    assert first == pytest.approx(2 * second, rel=0.01)
    assert bar_chart(figure("bar", [["a", None]])) is None


def test_charts_say_what_they_leave_out() -> None:
    """Bars that cannot be read any more are counted; a single y has its name at the axis."""
    many = bar_chart(figure("bar", [[f"n{n}", n] for n in range(1034)]))
    assert many is not None
    assert "and 1,004 more, in the table" in many.html
    line = curve_chart(figure("line", [[0, 1], [1, 2]]))
    assert line is not None
    assert ">y</text>" in line.html


def test_lines_and_points() -> None:
    """Rows belong together by their series; what is no number on both axes is left to the table."""
    rows = [[0, 0.0, "a"], [1, 1.0, "a"], [0, 0.5, "b"], [1, None, "b"], ["x", 1, "b"], [True, 1, "b"]]
    found = figure("line", rows, series="z")
    assert [(curve.name, curve.points) for curve in curves_of(found)] == [
        ("a", ((0.0, 0.0), (1.0, 1.0))),
        ("b", ((0.0, 0.5),)),
    ]
    svg = parsed(curve_chart(found))
    assert len(list(svg.iter("polyline"))) == 2
    assert not list(parsed(curve_chart(figure("point", [[0, 1], [1, 2]]))).iter("polyline"))
    assert curve_chart(figure("line", [[None, None]])) is None


def test_names_have_the_room_that_they_take() -> None:
    """Capitals and East Asian characters are wider than small letters; what does not fit is cut."""
    assert room_for(["MORTGAGE"]) > room_for(["mortgage"])
    assert room_for(["日本語"]) > room_for(["abc"])
    for name in ("MORTGAGE", "mortgage", "日本語日本語"):
        assert cut(name, room_for([name])) == name
        assert cut(name * 9, room_for([name])).endswith("…")
        assert room_for([cut(name * 9, 100)], least=0) <= 100


def test_many_classes_stay_readable() -> None:
    """40 curves: no more are named than colours can be told apart, the others are grey, and that is said."""
    rows = [[x, x * n, f"class {n}"] for n in range(40) for x in (0, 1)]
    chart = curve_chart(figure("line", rows, series="z"))
    assert chart is not None
    assert "32 more, in the table" in chart.html
    assert chart.image.count('"l cx"') == 32


def test_a_heat_map_has_a_cell_for_each_pair() -> None:
    """The shade is the value, the text its label; more classes than can be read are left to the table."""
    rows = [["a", "a", 0.9, 9], ["b", "a", 0.1, 1], ["a", "b", None, 0], ["b", "b", 1.0, 5]]
    svg = parsed(heat_chart(figure("heat", rows, value="z", label="t")))
    assert [rect.get("fill-opacity") for rect in svg.iter("rect")] == [".90", ".10", "1.00"]
    many = [[str(a), str(b), 0.5] for a in range(61) for b in range(2)]
    assert heat_chart(figure("heat", many, value="z")) is None


def test_steps_are_below_what_they_need() -> None:
    """A step is a level below all that it needs; a circle, which no plan has, does not hang."""
    nodes = [Node("c", ("a", "b")), Node("b", ("a",)), Node("a", ()), Node("d", ("a", "gone"))]
    assert [sorted(level) for level in levels(nodes)] == [["a"], ["b", "d"], ["c"]]
    assert levels([Node("a", ("b",)), Node("b", ("a",))])
    svg = parsed(graph_chart(nodes, "graph"))
    assert (len(list(svg.iter("rect"))), len(list(svg.iter("path")))) == (4, 4)


def test_wide_levels_go_on_below() -> None:
    """Hundred steps side by side do not make a picture of 16,000 pixels."""
    svg = parsed(graph_chart([Node(f"s{n}", ()) for n in range(100)], "graph"))
    assert float(svg.get("width", 0)) < 1100


def test_a_timeline_begins_with_the_run() -> None:
    """A step that started later is drawn further right; one that took no time can be seen, too."""
    svg = parsed(timeline_chart([Span("a", 0, 2), Span("b", 2, 0.0)], "when"))
    first, second = svg.iter("rect")
    assert float(second.get("x", 0)) > float(first.get("x", 0))
    assert float(second.get("width", 0)) > 0
    assert timeline_chart([], "when") is None


@pytest.mark.parametrize("text", [EVIL, "</title><script>", "javascript:alert(1)", "\ud800"])
def test_foreign_text_is_text(text: str) -> None:
    """Whatever names say, no element, attribute or control character comes of them."""
    made = tag("p", text, title=text) + escaped(text)
    charts = [
        graph_chart([Node(text, (), note=text)], text),
        bar_chart(figure("bar", [[text, 1.0]])),
        heat_chart(figure("heat", [[text, text, 0.5]], value="z")),
        curve_chart(figure("line", [[0, 1, text], [1, 1, text]], series="z")),
    ]
    made += "".join(chart.html for chart in charts if chart)
    assert "<script" not in made
    assert "href=" not in made
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800]", made)
    assert re.findall(r"<(\w+)", made).count("script") == 0


def test_numbers_for_people() -> None:
    """Times, counts and differences are written as people write them."""
    assert [duration(t) for t in (0.0123, 5, 61, 7300)] == ["12 ms", "5.0 s", "1 min 1 s", "2 h 1 min"]
    assert [number(v) for v in (1234.0, 0.5, 123.456, 1e-9, math.nan)] == [
        "1,234",
        "0.5000",
        "123.5",
        "1e-09",
        "not a number",
    ]
    assert [signed(v) for v in (0.5, -0.5)] == ["+0.5000", "−0.5000"]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 2e-13), (1e-300, 4e-300), (1e17, 1e17 + 1000), (-1e308, 1e308), (1e308, 1.7e308)]
)
def test_scales_of_any_size(low: float, high: float) -> None:
    """Ticks of tiny and huge values differ from each other, and places are finite."""
    found = scale([low, high], 0, 100)
    ticks = found.ticks()
    assert len(set(ticks)) == len(ticks)
    assert ticks
    assert all(math.isfinite(found(value)) for value in (low, high))


def test_axes_have_names() -> None:
    """The lengths of bars, both sides of a heat map and the time of a timeline are named, with units."""
    columns = [{"name": "x"}, {"name": "y", "unit": "EUR"}, {"name": "z"}]
    bars = bar_chart(figure("bar", [["a", 1.0, 2.0]], columns=columns))
    heat = heat_chart(figure("heat", [["a", "b", 0.5]], value="z", columns=columns))
    assert bars is not None
    assert heat is not None
    assert ">y (EUR)</text>" in bars.image
    assert ">y (EUR)</text>" in heat.image
    assert ">x</text>" in heat.image
    assert ">seconds since the run began</text>" in str(timeline_chart([Span("a", 0.0, 1.0)], "t"))


def test_lines_differ_in_more_than_colour() -> None:
    """Whoever does not see colours tells lines apart by their dashes, in the legend, too."""
    chart = curve_chart(figure("line", [[0, 1, "a"], [1, 2, "a"], [0, 2, "b"]], series="z"))
    assert chart is not None
    assert '<polyline points="0,6 26,6" class="l c1">' in chart.html
    assert ".l.c1{stroke-dasharray:" in own("charts.css")
    points = curve_chart(figure("point", [[0, 1, "a"], [0, 2, "b"]], series="z"))
    assert points is not None
    assert "polyline" not in points.html


def test_a_graph_tells_the_state_without_colour() -> None:
    """A sign stands before the name of a step; names and components of usual length are not cut."""
    node = Node("train", (), "ok", "core/train_random_forest 1.1.0", "✓")
    text = graph_chart([node], "graph").image
    assert ">✓ train</text>" in text
    assert ">core/train_random_forest 1.1.0</text>" in text


def test_a_large_heat_map_is_small() -> None:
    """A confusion of 40 classes, of which most pairs never occur, takes 40 kB, and no name is cut."""
    names = [f"class {n:02}" for n in range(40)]
    rows = [
        [a, b, 0.5 if a == b else 0.01 * ((i + j) % 5 == 0), 3]
        for i, a in enumerate(names)
        for j, b in enumerate(names)
    ]
    chart = heat_chart(figure("heat", rows, value="z", label="t"))
    svg = parsed(chart)
    assert len(list(svg.iter("rect"))) == 1 + sum(1 for row in rows if row[2])
    assert chart is not None
    assert len(chart.image) < 45_000
    assert chart.image.count(">class 07</text>") == 2
