"""The pages of the documentation: on the site, and against the code that they describe."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from docs.pictures import PICTURES, step_states
from docs.site import TOP, fetched_elsewhere, staged

from waypost.contracts.pipeline import Limits, Pipeline, Source, Step
from waypost.contracts.resources import Resources
from waypost.contracts.rules import RULES
from waypost.serving.metrics import Entry, Monitor

SOURCE = TOP / "engine" / "src" / "waypost"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {
        "docs/index.md": "[a](a.md#part) [code](../src/run.py) ![](picture.svg) [why](decisions/)\n",
        "docs/a.md": "# A\n```\n[no](link.md)\n```\n[out](https://example.org/x.md)\n",
        "docs/decisions/0001-one.md": "# 1. One\n[back](../a.md)\n",
        "docs/picture.svg": "<svg/>",
        "src/run.py": "pass\n",
        "README.md": "[docs](docs/index.md)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_links_lead_to_the_same_files_on_the_site(repository: Path) -> None:
    """Pages stand at the top of the site, what else they link to below `repository/`; code is left alone."""
    site = staged(repository, ["docs/index.md", "README.md"])
    assert site.broken == []
    assert site.files["index.md"].decode() == (
        "[a](a.md#part) [code](repository/src/run.py) ![](picture.svg) [why](decisions/index.md)\n"
    )
    assert site.files["a.md"] == (repository / "docs/a.md").read_bytes()
    assert site.files["repository/README.md"] == b"[docs](../index.md)\n"
    assert site.files["repository/src/run.py"] == b"pass\n"


def test_a_folder_is_shown_by_its_readme_or_a_list(repository: Path) -> None:
    """A link to a folder works on the site, too: its README, else the titles of its pages."""
    assert staged(repository, ["docs/index.md"]).files["decisions/index.md"] == (
        b"# Decisions\n\n- [1. One](0001-one.md)\n"
    )
    (repository / "docs/decisions/README.md").write_text("# Why\n")
    assert staged(repository, ["docs/index.md"]).files["decisions/README.md"] == b"# Why\n"


def test_a_link_that_leads_nowhere_is_told(repository: Path) -> None:
    """The page and what it wanted are named."""
    (repository / "docs/a.md").write_text("[gone](gone.md) [also](../gone/)\n")
    assert staged(repository, ["docs/a.md"]).broken == ["docs/a.md: docs/gone.md", "docs/a.md: gone"]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ("a.html", '<link rel="preload stylesheet" href="//cdn.example/x.css">', ["//cdn.example/x.css"]),
        ("a.html", '<img src="HTTP://e.org/x.png"><p style="background:url(https://e.org/y)">', None),
        ("a.html", '<pre class="mermaid"><code>graph</code></pre>', None),
        ("a.css", "@import 'https://e.org/a.css'; p { background: url( \"//e.org/b.png\" ) }", None),
        ("a.svg", '<svg><image src="https://e.org/x"/></svg>', ["https://e.org/x"]),
        ("a.html", '<a href="https://e.org">e</a> <link rel="canonical" href="https://e.org">', []),
        ("a.html", "<code>url(https://e.org)</code> <img src='x.png'>", []),
    ],
)
def test_what_a_site_fetches_from_other_machines_is_told(
    tmp_path: Path, name: str, content: str, found: list[str] | None
) -> None:
    """Scripts, styles, images, fonts and diagrams that a browser would fetch elsewhere; links are none."""
    (tmp_path / name).write_text(content)
    told = list(fetched_elsewhere(tmp_path))
    assert told if found is None else told == [f"{name}: {each}" for each in found]


def test_pictures_have_all_states_of_a_step() -> None:
    """The picture has an arrow for each row of the table, between states that the schedule knows."""
    page = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `\w+` → `\w+` \|", page, re.MULTILINE)
    drawn = re.findall(r"<circle[^>]*></circle><text[^>]*>(\d+)</text>", step_states())
    assert drawn == rows == [str(number) for number in range(1, len(rows) + 1)]
    assert rows
    assert all(draw().startswith("<svg") and "</svg>" in draw() for draw in PICTURES.values())


def _categories() -> Iterator[str]:
    """The categories that findings are given in the source: texts, and names of constants."""
    for file in SOURCE.rglob("*.py"):
        name = ".".join(("waypost", *file.relative_to(SOURCE).with_suffix("").parts))
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Finding"):
                given = [*call.args[3:4], *(k.value for k in call.keywords if k.arg == "category")]
                for value in given:
                    if isinstance(value, ast.Constant) and value.value:
                        yield str(value.value)
                    elif isinstance(value, ast.Name) and value.id.isupper():
                        yield getattr(importlib.import_module(name), value.id)


def test_each_category_of_findings_is_explained() -> None:
    """docs/findings.md explains each category, and no other; docs/rules.md has those of `waypost check`."""
    elsewhere = {"interface-differs", "environment-differs", "no-value"}  # not written in the call
    found = set(_categories()) | elsewhere
    page = (TOP / "docs" / "findings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    told = {name for row in rows for name in re.findall("`(.*?)`", row)}
    assert found - told - set(RULES) == set()
    assert told - found == set()


def test_each_variable_is_described() -> None:
    """docs/reference.md has every variable of the environment that is Waypost's own."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py"))
    inside = {"WAYPOST_SERVING"}  # from `waypost serve` to its workers
    page = (TOP / "docs" / "reference.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bWAYPOST_[A-Z_]+\b", code)) - inside == set(
        re.findall(r"`(WAYPOST_[A-Z_]+)`", page)
    )


def test_each_key_of_a_pipeline_is_described() -> None:
    """docs/pipelines.md has every key of pipeline.yaml."""
    page = (TOP / "docs" / "pipelines.md").read_text(encoding="utf-8")
    for model in (Pipeline, Source, Step, Limits, Resources):
        for name, field in model.model_fields.items():
            assert re.search(rf"[`.\[{{ ]{field.alias or name}\b", page), name


def test_each_metric_of_the_server_is_described(tmp_path: Path) -> None:
    """docs/serving.md has every metric that Prometheus is shown, those of a canary and a shadow, too."""
    monitor = Monitor(tmp_path, None)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    monitor.note(Entry(now.timestamp(), "1", "", "POST", "/invocations", "grades/1", role="canary"))
    monitor.shadowed("grades/2", "equal", 0.1)
    text = monitor.metrics({"main": {"model": "grades/1"}}).decode()
    shown = set(re.findall(r"^(waypost_\w+?)(?:_bucket|_count|_sum)?[{ ]", text, re.MULTILINE))
    page = (TOP / "docs" / "serving.md").read_text(encoding="utf-8")
    assert {name for name in shown if not name.endswith("_created")} == set(
        re.findall(r"`(waypost_\w+)`", page)
    )


def test_each_rule_has_its_check() -> None:
    """docs/rules.md promises no rule that nothing looks at."""
    files = [file for file in SOURCE.rglob("*.py") if file.name != "rules.py"]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    assert [rule for rule in RULES if f'"{rule}"' not in code] == []
