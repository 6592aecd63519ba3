"""The page of a run: its first part answers three questions; it is small, safe and the same every time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from waypost.contracts.figures import Figures, parse_figures
from waypost.contracts.metrics import MetricFacts
from waypost.contracts.provenance import is_folder
from waypost.contracts.run_comparison import (
    Change,
    ComponentChange,
    MetricChange,
    PredictionChange,
    RunComparison,
    StepChange,
)
from waypost.pages.comparison_page import comparison_page
from waypost.pages.description import description
from waypost.pages.facts import Input, Picture, Remake, Run, Step
from waypost.pages.frame import is_ours
from waypost.pages.run_page import run_page

EVIL = "\"><script>alert('x')</script><img src=//evil onerror=x>"
QUALITY = MetricFacts(kind="quality", better="higher", interval=("auc/low", "auc/high"))


def figures(count: int = 1, rows: int = 20) -> Figures:
    """Returns figures of tables of millions of rows: what they show does not grow with these."""
    figure = {
        "title": "Distribution",
        "part": "data",
        "mark": "line",
        "columns": [{"name": "x"}, {"name": "reference"}, {"name": "checked"}],
        "rows": [[n, n / rows, 1 - n / rows] for n in range(rows)],
        "x": "x",
        "y": ["reference", "checked"],
    }
    tables = [{"name": "loans.parquet", "rows": 10_000_000, "columns": 55, "missing": 7, "sha256": "ab" * 32}]
    return parse_figures(json.dumps({"schema": 1, "tables": tables, "figures": [figure] * count}), "f")


LOAD = Step(
    "load",
    "core/download 1.1.0",
    "reused",
    "1" * 32,
    because="unchanged",
    inputs=(Input("url", "https://example.org/loans.parquet", "sha256:" + "c" * 64),),
    trees={"download": "d" * 40},
)
TRAIN = Step(
    "train",
    "core/train 1.1.0",
    "done",
    "2" * 32,
    because="depth: 8 → 9",
    needs=("load",),
    started=61_000,
    seconds=5.5,
    cpu_seconds=9.9,
    memory=2.5e8,
    cpus=2,
    memory_mb=500,
    metrics={"auc": 0.71, "auc/low": 0.69, "auc/high": 0.73, "rows": 7.0},
    declared={"auc": QUALITY},
    parameters={"depth": "9"},
    outputs={"model": "e" * 64},
    environment="f" * 64,
    platform="linux",
    warnings=("few rows of class G",),
    figures=figures(),
)
COMPARED = RunComparison(
    "9" * 32,
    "0" * 32,
    (Change("depth", "8", "9"),),
    (Change("load.url", "sha256:" + "a" * 64, "sha256:" + "c" * 64),),
    (ComponentChange("train", "core/train 1.0.0", "core/train 1.1.0", ("added: parameter 'jobs'",)),),
    (StepChange("train", "differs", ("depth: 8 → 9",), ("model",)),),
    (MetricChange("train/auc", 0.70, 0.71, "better"),),
)
REMAKE = Remake(
    "0" * 32, "waypost run pipeline depth=9", ("depth=9 (8)",), commit="b" * 40, repository="https://e.org/r"
)
RUN = Run(
    "0" * 32,
    "loan-grades",
    "FINISHED",
    60_000,
    7.0,
    "anna",
    "Grades loans.",
    REMAKE,
    (LOAD, TRAIN),
    {"depth": "9", "seed": "1"},
    packages={"waypost": "1.1.0"},
    baseline="release 1.0.0",
    comparison=COMPARED,
)


class Reader(HTMLParser):
    """Reads a page as a browser does: tags in their order, and what stands between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def first_part(page: str) -> str:
    """Returns the text of what is seen first: the head and the part `summary`."""
    body = page[page.index("<header") : page.index('<section id="graph"')]
    return Reader(body).text


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("Which data?", ["https://example.org/loans.parquet", "sha256:" + "c" * 12, "10,000,000", "55"]),
        (
            "What changed since release 1.0.0?",
            ["core/train 1.0.0 → core/train 1.1.0", "depth: 8 → 9", "load.url"],
        ),
        ("How good is it?", ["train/auc", "0.7100", "0.6900 to 0.7300", "+0.0100", "better"]),
        (
            "Can I make it again?",
            [f"waypost reproduce runs:/{'0' * 32}", "waypost run pipeline depth=9", "b" * 40],
        ),
        ("What ran, and why", ["✓ executed", "= reused", "unchanged"]),
    ],
)
def test_the_first_part_answers(question: str, answers: list[str]) -> None:
    """Which data? Why is it better than last month? Can I make it again? The first part says it all."""
    text = first_part(run_page(RUN))
    assert question in text
    for answer in answers:
        assert answer in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"dirty": "train/run.py", "diff": "whole"},
            "The tree was dirty, the run keeps the changes: train/run.py",
        ),
        ({"dirty": "x", "diff": "too large"}, "the changes are too large to be kept"),
        ({"commit": ""}, "neither a release nor a commit"),
        ({"dev": True}, "A development run"),
        ({"outside": ("/home/anna/parts",)}, "folders that only that machine has: /home/anna/parts"),
    ],
)
def test_what_keeps_a_run_from_being_made_again_is_told(changes: dict[str, Any], told: str) -> None:
    """A run that may give something else next time says so where it says how to make it again."""
    text = first_part(run_page(replace(RUN, remake=replace(REMAKE, **changes))))
    assert told in text
    assert "with care" in text
    assert "with care" not in first_part(run_page(RUN))


def test_a_release_is_made_again_by_its_name() -> None:
    """Of a release without overrides, the command names the release, not the run."""
    remake = replace(REMAKE, release="1.4.13", differing=())
    assert "waypost reproduce https://e.org/r@1.4.13" in first_part(run_page(replace(RUN, remake=remake)))


def test_a_failed_run_says_where_and_why() -> None:
    """The verdict names the step; its cause and the end of its log come first; the rest is skipped."""
    failed = replace(TRAIN, state="failed", cause="the data has no column grade", log_tail="error: no grade")
    run = replace(RUN, status="FAILED", steps=(LOAD, failed, Step("score", "core/score", "skipped")))
    text = first_part(run_page(run))
    for told in ("Failed at train", "the data has no column grade", "error: no grade", "another step failed"):
        assert told in text
    assert "waypost run pipeline depth=9" in text


def test_a_run_of_an_old_engine_has_a_page() -> None:
    """A run that says nothing of itself but its name has a page, and what is not known is not made up."""
    page = run_page(Run("0" * 32, "old", "FINISHED", 0, 1.0, steps=(Step("a", "", "done"),)))
    assert "No step has a metric that its contract declares." in page
    assert "There is no earlier finished run" in page


def test_used_against_asked() -> None:
    """The timeline's table shows what a step took beside what it asked for."""
    text = Reader(run_page(RUN)).text
    assert "9.9 s (1.8 processors)" in text
    assert "250 MB (48% of that)" in text


def test_a_page_asks_nobody() -> None:
    """No address is loaded: style and script stand in the page, and are those that its policy names."""
    page = run_page(RUN)
    reader = Reader(page)
    [policy] = [a["content"] for name, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for element in ("style", "script"):
        [content] = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
    for name, attributes in reader.tags:
        assert name not in ("link", "iframe", "object", "base", "form")
        assert not any(key.startswith("on") or key == "style" for key in attributes)
        assert "src" not in attributes or str(attributes["src"]).startswith("data:image/")
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(script) <= 8000
    assert is_ours(page[:4096])


def hostile() -> Run:
    """Returns a run all of whose texts are an attack."""
    doc = {"title": EVIL, "description": EVIL, "columns": [{"name": EVIL}], "rows": [[EVIL]]}
    evil = replace(
        TRAIN,
        name=EVIL,
        component=EVIL,
        because=EVIL,
        user=EVIL,
        needs=(EVIL,),
        metrics={EVIL: 1.0},
        declared={EVIL: QUALITY},
        parameters={EVIL: EVIL},
        inputs=(Input(EVIL, f"javascript:{EVIL}", EVIL),),
        outputs={EVIL: EVIL},
        trees={EVIL: EVIL},
        warnings=(EVIL,),
        figures=parse_figures(json.dumps({"schema": 1, "figures": [doc]}), "f"),
        figures_problem=EVIL,
        pictures=(Picture(EVIL, "png", b"\x89PNG"),),
    )
    moved = ComponentChange(EVIL, EVIL, EVIL, (EVIL,))
    found = replace(COMPARED, components=(moved,), parameters=(Change(EVIL, EVIL, EVIL),), before=EVIL)
    remake = Remake(EVIL, EVIL, (EVIL,), EVIL, commit=EVIL, repository=EVIL, outside=(EVIL,))
    return Run(
        EVIL,
        EVIL,
        EVIL,
        0,
        1.0,
        EVIL,
        EVIL,
        remake,
        (evil,),
        {EVIL: EVIL},
        (EVIL,),
        {EVIL: EVIL},
        EVIL,
        found,
    )


def test_hostile_names_are_text() -> None:
    """Names, values, logs and figures of strangers become no element, attribute, address or second script."""
    failed = replace(hostile().steps[0], state="failed", cause=EVIL, log_tail=EVIL)
    run = hostile()
    prediction = PredictionChange(EVIL, 2, 1, (1,), ((EVIL, EVIL, 1),))
    comparison = replace(COMPARED, components=run.comparison.components, predictions=(prediction,))  # type: ignore[union-attr]
    for page in (
        run_page(run),
        run_page(replace(run, status="FAILED", steps=(failed,))),
        comparison_page(comparison, EVIL, EVIL),
    ):
        reader = Reader(page)
        assert [name for name, _ in reader.tags].count("script") == 1
        assert all(str(a.get("src", "data:")).startswith("data:") for _, a in reader.tags)
        assert not any("onerror" in attributes for _, attributes in reader.tags)
        assert EVIL in reader.text


def test_a_description_is_inert_markdown() -> None:
    """MLflow's page of the run has verdict, metrics, reasons, graph and commands; names do nothing in it."""
    text = description(RUN, "report.html")
    for told in (
        "**Finished.**",
        "| train/auc | 0.7100 | +0.0100 better |",
        "| train | done | load | depth: 8 → 9 |",
        "waypost reproduce runs:/",
    ):
        assert told in text
    outside_of_code = re.sub("`[^`]*`", "", description(hostile(), "report.html"))
    assert not re.search(r"(?<!\\)<", outside_of_code)
    assert len(description(replace(RUN, steps=(TRAIN,) * 500), "report.html")) <= 5000


def test_hundred_steps_fit() -> None:
    """100 steps with 40 figures each, of 10 million rows, are less than a megabyte, and what is left out is
    told; so are images.
    """
    picture = Picture("plots/loss.png", "png", bytes(100_000))
    many = figures(40)
    steps = tuple(
        replace(TRAIN, name=f"s{n}", needs=(f"s{n - 1}",) if n else (), figures=many, pictures=(picture,))
        for n in range(100)
    )
    page = run_page(replace(RUN, steps=steps, parameters={f"p{n}": "x" * 50 for n in range(1000)}))
    assert len(page.encode()) <= 1_000_000
    assert "did not fit" in page
    assert "700 parameters more" in page


def test_thousands_of_steps_are_not_all_shown() -> None:
    """Of 5,000 steps the page shows those that matter, says how many it leaves out, and is made at once."""
    steps = tuple(replace(LOAD, name=f"s{n}", needs=(f"s{n - 1}",) if n else ()) for n in range(5000))
    failed = replace(TRAIN, name="last", state="failed", cause="no grade")
    page = run_page(replace(RUN, steps=(*steps, failed), status="FAILED"))
    assert "5,001 steps: 1 executed, 5,000 reused" in page
    assert "4,801 steps more are on MLflow" in page
    assert "Failed at last" in page
    assert len(page.encode()) < 1_000_000


def test_the_same_facts_are_the_same_bytes() -> None:
    """Nothing in a page depends on when or where it is made."""
    assert run_page(RUN) == run_page(replace(RUN))


def test_a_comparison_gives_reasons() -> None:
    """The page of a comparison says what differs, and why: components with interfaces, data, parameters."""
    found = replace(
        COMPARED,
        metrics=(MetricChange("train/auc", 0.7, 0.71, "better", (0.69, 0.71), (0.7, 0.72)),),
        environments=(Change("train.environment", "a" * 64, "b" * 64),),
        predictions=(PredictionChange("evaluate.predictions", 3000, 12, (4, 9), (("B", "C", 12),)),),
    )
    text = Reader(comparison_page(found, "1.0.0", "1.1.0")).text
    for told in (
        "1.0.0 → 1.1.0",
        "0.7000 (0.6900 to 0.7100)",
        "added: parameter 'jobs'",
        "12 of 3,000 predictions",
        "In rows 4, 9 …",
        "train.environment",
    ):
        assert told in text
    equal = RunComparison("a", "b", (), (), (), (), ())
    assert "= equal" in Reader(comparison_page(equal)).text


@pytest.mark.parametrize(
    "address", ["/srv/git/grades.git", "../grades.git", "file:///srv/grades.git", "srv/grades"]
)
def test_folders_of_a_machine(address: str) -> None:
    """A repository that is a folder is told from a server: others cannot fetch it."""
    assert is_folder(address)


@pytest.mark.parametrize("address", ["https://e.org/a", "git@e.org:a/b.git", "ssh://e.org/a", "host:a", ""])
def test_addresses_of_servers(address: str) -> None:
    """An address that git reads as a server's is none of a folder."""
    assert not is_folder(address)


def test_a_repository_that_nobody_can_fetch() -> None:
    """Whoever gets the page is told that no address of the repository is known; no command names one."""
    remake = replace(REMAKE, repository="", release="1.4.13", differing=())
    text = first_part(run_page(replace(RUN, remake=remake)))
    assert "No address is recorded from which others can fetch the repository." in text
    assert f"waypost reproduce runs:/{'0' * 32}" in text


def test_columns_without_a_word_are_left_out() -> None:
    """Nobody requested a GPU: the table has no column of dashes for it; nor are there empty notes."""
    text = Reader(run_page(RUN)).text
    assert "memory requested" in text
    assert "GPUs requested" not in text
    plain = replace(RUN, comparison=None, remake=replace(REMAKE, differing=()))
    assert "note" not in Reader(run_page(plain)).text


def test_a_figure_without_rows_says_so() -> None:
    """An empty table of a component is named, not a hole in the page."""
    empty = {"title": "Drift", "mark": "bar", "columns": [{"name": "x"}, {"name": "y"}], "x": "x", "y": "y"}
    found = parse_figures(json.dumps({"schema": 1, "figures": [empty]}), "f")
    text = Reader(run_page(replace(RUN, steps=(replace(TRAIN, figures=found),)))).text
    assert "DriftNo rows." in text


def test_the_page_of_two_pipelines() -> None:
    """A comparison of two pipelines says so; of ten thousand metrics it shows a thousand."""
    metrics = tuple(MetricChange(f"train/m{n}", 1.0, 2.0) for n in range(10_000))
    page = comparison_page(replace(COMPARED, metrics=metrics, pipelines=("wine", "grades")))
    assert "Two pipelines: wine and grades." in page
    assert "9,000 metrics more" in page
    assert len(page) < 200_000
