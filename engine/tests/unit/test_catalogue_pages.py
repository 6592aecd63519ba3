"""A catalogue's pages: made of facts alone, and whatever strangers write in them is text."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from waypost.catalogue.badges import badges_of
from waypost.catalogue.facts import Entry, Library, Release, Use, Version, mentions, slugs
from waypost.catalogue.markdown import html_of
from waypost.catalogue.markup import element, text
from waypost.catalogue.searching import search
from waypost.catalogue.site import site
from waypost.contracts.component import parse_component
from waypost.contracts.pipeline import parse_pipeline
from waypost.interfaces.changes import Change
from waypost.interfaces.record import CheckedComponent

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
CONTRACT = """
name: clean
deprecated: {since: 1.10, use: core/tidy}
entry_points:
  main:
    description: |
      Cleans a table. "><script>alert(1)</script>
    parameters:
      data: {type: path, takes: table, description: '"><img src=x onerror=alert(1)>'}
      depth: {type: int, default: 6, minimum: 1, maximum: 20, choices: [2, 6], description: levels}
    outputs:
      clean: {path: clean.parquet, type: table, description: cleaned table}
    metrics:
      rows: {kind: count, description: rows of it}
    command: "python run.py --data={data} --depth={depth}"
"""
NEW = Release("1.1.0", "v1.1.0", "b" * 40, "2026-02-03", "verified", notes="### Added\n- `clean` cleans more")
OLD = Release("1.0.0", "v1.0.0", "a" * 40, "2026-01-02", yanked=HOSTILE)


def library(name: str = "core", url: str = "https://example.org/core.git") -> Library:
    versions = (
        Version(
            NEW, "2" * 40, "interface", (Change("breaking", f"parameter {HOSTILE}"),), notes=("- `clean`",)
        ),
        Version(OLD, "1" * 40, "new"),
    )
    use = Use("team/grades", HOSTILE, "1.1.0", ("tidy",))
    entry = Entry(
        "clean", parse_component(CONTRACT, "MLproject"), versions, HOSTILE, is_pinned=True, uses=(use,)
    )
    broken = Entry("broken <b>", None, (Version(OLD, "3" * 40, "new", problem=f"MLproject: {HOSTILE}"),))
    return Library(name, name, url, (NEW, OLD), (broken, entry))


class _Seen(HTMLParser):
    """What a browser would do with a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_what_strangers_write_is_text() -> None:
    """Names, descriptions, READMEs, yanks and changes make no element, no handler and no address."""
    for path, page in site("Catalogue", [library()]).items():
        if path.endswith(".html"):
            seen = _Seen(page)
            assert seen.tags.count("script") == 1, path
            assert "img" not in seen.tags
            assert not [name for name, _ in seen.attributes if name.startswith("on")]
            assert not [value for name, value in seen.attributes if name == "href" and "script" in value]


def test_a_page_may_do_what_is_its_own() -> None:
    """The policy allows the page's own style and script, by their digests, and nothing else."""
    for path, page in site("Catalogue", [library()]).items():
        if path.endswith(".html"):
            [policy] = [
                v for n, v in _Seen(page).attributes if n == "content" and v.startswith("default-src")
            ]
            assert policy.startswith("default-src 'none'; script-src 'sha256-")
            assert "unsafe" not in policy
            assert not [v for n, v in _Seen(page).attributes if n == "src"]


def test_links_lead_to_pages_that_are_there() -> None:
    """Every link within the site, from any page, is a file of it."""
    files = site("Catalogue", [library(), library("other", "")])
    for path, page in files.items():
        up = path.count("/")
        for name, value in _Seen(page).attributes if path.endswith(".html") else ():
            if name == "href" and not value.startswith(("#", "data:", "https://")):
                target = value.partition("#")[0]
                place = target.removeprefix("../") if up else target
                assert place in files, (path, value)


def test_the_example_is_a_pipeline() -> None:
    """What is to be copied is a pipeline.yaml but for its name: the exact version, and what is required."""
    page = site("Catalogue", [library()])["core/clean.html"]
    [code, command] = re.findall(r"<pre><code>(.*?)</code>", page, re.DOTALL)[:2]
    found = parse_pipeline(f"name: x\n{html.unescape(code)}")
    assert found.components["core"].version == "==1.1.0"
    assert found.steps["clean"].arguments == {"data": "???"}
    assert command.startswith("mlflow run ")
    assert "#clean" in command


def test_programs_read_it() -> None:
    """index.json says what pages say; the feed is XML, an entry for each release, without a date of today."""
    files = site("Catalogue", [library()])
    found = json.loads(files["index.json"])
    assert found["schema"] == 1
    [broken, clean] = found["components"]
    assert clean["deprecated"] == "deprecated since 1.10: use core/tidy instead"
    assert clean["versions"][0]["changes"][0].startswith("breaking: parameter")
    assert clean["page"] in files
    assert clean["used_by"] == ["team/grades"]
    assert broken["yanked"] == HOSTILE
    feed = ET.fromstring(files["feed.xml"])
    atom = "{http://www.w3.org/2005/Atom}"
    assert [e.findtext(f"{atom}updated") for e in feed.findall(f"{atom}entry")] == [
        "2026-02-03T00:00:00Z",
        "2026-01-02T00:00:00Z",
    ]
    assert site("Catalogue", [library()]) == files


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[x](https://example.org/a)", '<a href="https://example.org/a" rel="noopener noreferrer">x</a>'),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](../other.md)", "<span>x</span>"),
        ("[x](data:text/html,1)", "[x](data:text/html,1)"),
        (
            "<https://example.org>",
            '<a href="https://example.org" rel="noopener noreferrer">https://example.org</a>',
        ),
        ("<b onclick=x>y</b>", "&lt;b onclick=x&gt;y&lt;/b&gt;"),
        ("![pic](https://example.org/p.png)", "pic"),
        ("<!-- hidden -->shown", "shown"),
        (
            "[a ![b](x) c](https://example.org)",
            '<a href="https://example.org" rel="noopener noreferrer">a b c</a>',
        ),
    ],
)
def test_markdown_of_strangers(source: str, expected: str) -> None:
    """Links lead to http and https alone, images are their words, HTML is text, comments are nothing."""
    assert html_of(source).strip() == f"<p>{expected}</p>"


def test_headings_follow_the_page() -> None:
    """Headings of a README stand below that of the page, and none skips a level."""
    found = re.findall(r"<(h\d)>", html_of("# a\n\n### b\n\n## c\n"))
    assert found == ["h3", "h4", "h4"]


def test_markup() -> None:
    """Texts and attributes are escaped, what is HTML already is not; invisible signs are shown."""
    assert element("a", "<x>", element("b", "&"), href='"', hidden=True, class_=None) == (
        '<a href="&quot;" hidden>&lt;x&gt;<b>&amp;</b></a>'
    )
    assert text("a\u202eb\x1b") == "a\ufffdb␛"


def test_names_of_files() -> None:
    """Names become files that no file system takes for each other."""
    assert slugs(["a b", "A-b", "../..", "x" * 300, "ü"]) == ["a-b", "A-b-2", "x", "x" * 80, "x-2"]


def test_what_a_changelog_says_of_a_component() -> None:
    """The items that name it, as code or by a name with an underscore; no word of every day."""
    notes = "### Added\n- `load` is new,\n  and quick\n- train_it and `load`\n- a load of things\n"
    assert mentions(notes, {"load", "train_it"}) == {
        "load": ("- `load` is new,\n  and quick", "- train_it and `load`"),
        "train_it": ("- train_it and `load`",),
    }


def test_badges_are_computed() -> None:
    """What nobody looked at has no badge; what is not as it should be says so."""
    entry = library().entries[1]
    assert [(b.what, b.mark) for b in badges_of(entry)] == [
        ("state", "bad"),
        ("record", "good"),
        ("packages", "good"),
        ("last release", "plain"),
    ]
    first = next(badges_of(library().entries[0]))
    assert (first.what, first.mark) == ("release", "bad")


@pytest.mark.parametrize(
    ("tests", "example", "badges"),
    [
        ("passed", "passed", [("tests", "good"), ("stock MLflow", "good")]),
        ("failed", "none", [("tests", "bad")]),
        ("none", "failed", [("stock MLflow", "bad")]),
        ("none", "none", []),
    ],
)
def test_what_executing_a_component_gave(tests: Any, example: Any, badges: list[tuple[str, str]]) -> None:
    """Its tests and its example have a badge each, where they were executed."""
    checked = CheckedComponent(tree="2" * 40, tests=tests, example=example)
    found = badges_of(replace(library().entries[1], checked=checked))
    assert [(b.what, b.mark) for b in found if b.what in ("tests", "stock MLflow")] == badges


def test_search_finds_names_first() -> None:
    """All words count, anywhere in the contract; a component whose name it is comes first."""
    assert [entry.name for _, entry in search([library()], ["clean", "table"])] == ["clean"]
    assert [entry.name for _, entry in search([library()], ["levels rows"])] == ["clean"]
    assert search([library()], ["nothing"]) == []
