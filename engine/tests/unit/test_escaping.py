"""Foreign text does nothing but stand there: in a terminal, JSON, Markdown, a header, a page."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from waypost.contracts.mlmodel import parse_mlmodel
from waypost.errors import Finding, FindingsError, WaypostError
from waypost.inference.proof import Proof
from waypost.promotion.card import Facts, card
from waypost.report.common import columns, error_document, line, show_error, write_document
from waypost.report.console import Console, escape
from waypost.serving.fields import Field
from waypost.serving.openapi import openapi
from waypost.serving.page import PageContent, page
from waypost.texts.escaping import (
    markdown_block,
    markdown_code,
    markdown_text,
    one_line,
    terminal_json,
    terminal_text,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 東京 ✓", "plain ü 東京 ✓"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b[0m \x1b[8mhidden\x1b[m", "red hidden"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x1b]52;c;cm0=\x07", "␛]52;c;cm0=␇"),
        ("\x1b[2J\x1b[1;1H", "␛[2J␛[1;1H"),
        ("safe\rrm -rf", "safe␍rm -rf"),
        ("a\x08b\x7f", "a␈b␡"),
        ("\x9b31m\x85", "�31m�"),
        ("a\u202eb\u2066c\u200fd\u2028e", "a�b�c�d�e"),
        ("half \ud800", "half �"),
        ("a\u200bb\U000e0041", "a�b�"),
        ("Windows\r\nlines\r\n", "Windows\nlines\n"),
        ("נערכה نسخة क्\u200dष 👩\u200d🔬", "נערכה نسخة क्\u200dष 👩\u200d🔬"),
    ],
)
def test_terminal(text: str, shown: str) -> None:
    """Colours are left out; what moves, hides, sets or turns round is shown as a sign."""
    assert terminal_text(text) == shown


@given(st.text())
def test_terminal_text_is_printable(text: str) -> None:
    """Whatever the text, no character that is left acts on a terminal; doing it twice changes nothing."""
    shown = terminal_text(text)
    assert not any(c not in "\n\t" and (ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F) for c in shown)
    assert terminal_text(shown) == shown
    assert len(one_line(text).splitlines()) <= 1


def test_json_has_no_delete() -> None:
    """JSON takes DEL as it stands; a terminal does not."""
    assert terminal_json('"a\x7f"') == '"a\\u007f"'


@given(st.text())
def test_json_says_the_same(text: str) -> None:
    """A document in a terminal is the same document, without a control character."""
    document = json.dumps({text: [text]}, ensure_ascii=False)
    safe = terminal_json(document)
    assert json.loads(safe) == {text: [text]}
    assert safe == terminal_text(safe)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("max_depth 0.5", "max_depth 0.5"),
        ("a|b", "a\\|b"),
        ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
        ("[x](javascript:y)", "\\[x\\](javascript:y)"),
        ("`code` *bold* _it_ ~~x~~ &lt;", "\\`code\\` \\*bold\\* \\_it\\_ \\~\\~x\\~\\~ \\&lt;"),
        ("two\nlines", "two␊lines"),
        ("back\\slash", "back\\\\slash"),
        ("# title", "\\# title"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
    ],
)
def test_markdown(text: str, shown: str) -> None:
    """No mark, no HTML and no line break of a name means anything in Markdown."""
    assert markdown_text(text) == shown


def test_markdown_code() -> None:
    """Inline code cannot be left by backticks, nor a cell by a bar; a block not by a fence."""
    assert markdown_code("x") == "`x`"
    assert markdown_code("a`b") == "``a`b``"
    assert markdown_code("`") == "`` ` ``"
    assert [markdown_code(text) for text in ("`a", "a`")] == ["`` `a ``", "`` a` ``"]
    assert markdown_code("a|b", in_table=True) == "`a\\|b`"
    assert markdown_code("a\\|b", in_table=True) == "a\\\\\\|b"
    assert markdown_code(" ") == ""
    assert markdown_block("`x`") == "```\n`x`\n```"
    assert markdown_block("```\n@team <img>\n") == "````\n```\n@team <img>\n````"


def test_the_console_shows_foreign_text() -> None:
    """Every way to print passes the same door; our own colours stay."""
    hostile = "a\x1b]0;t\x07b\x1b[2Kc\rd"
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=True, color_system="standard", width=200, legacy_windows=False
    )
    table = Table()
    table.add_column(hostile)
    table.add_row(Text(hostile))
    tree = Tree(Text(hostile))
    tree.add(Text(hostile))
    for thing in (hostile, Text(hostile, "red"), table, tree):
        console.print(thing, highlight=False)
    console.print("[red]ours[/]")
    console.print(f"[red]{escape('[bold]theirs[/]')}[/]", highlight=False)
    printed = stream.getvalue()
    assert "\x1b[31mours\x1b[0m" in printed
    assert "\x1b[31m[bold]theirs[/]\x1b[0m" in printed
    assert printed.count("␛]0;t") == 6
    assert "\x1b]" not in printed
    assert "\x07" not in printed
    assert "\x1b[2K" not in printed


MARKUP = ["[red]", "[/]", "[link=https://x]y[/link]", "[@click=app.bell]", ":smile:", "x[0]", "\\[b]"]


def printed() -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=200, force_terminal=True, color_system="standard"), stream


@pytest.mark.parametrize("text", [*MARKUP, "a\\", "a\\\\", "a\\\\\\", "a\rb\x08\x07"])
def test_no_markup_in_foreign_text(text: str) -> None:
    """Brackets, colons and backslashes of others are shown; whatever stands around them keeps its style."""
    console, stream = printed()
    line(console, f"[bold]{escape(text)}[/][red]!{escape(text)}[/]")
    columns(console, [(f"[bold]{escape(text)}[/]", escape(text))])
    text = terminal_text(text)
    bold, red, end = "\x1b[1m", "\x1b[31m", "\x1b[0m"
    assert stream.getvalue() == f"{bold}{text}{end}{red}!{text}{end}\n{bold}{text}{end}  {text}\n"


def test_no_line_of_others_passes_for_ours() -> None:
    """The lines of an error after its first are indented: nobody takes them for a verdict."""
    console, stream = printed()
    show_error(console, WaypostError("git said:\n✓ reproduced", hint="a\n✓ b"))
    show_error(console, FindingsError([Finding("a\n✓ b", "c\n✓ d")]))
    lines = stream.getvalue().splitlines()
    assert not [each for each in lines if each.startswith("✓")]
    assert "    ✓ reproduced" in lines


def test_documents_take_every_text() -> None:
    """--json of any text, also of a file's name that is no UTF-8, is JSON without a control character."""
    text = "\udcff\x1b\x9b\u202e\x7f\U000e0041ü"
    stream = io.StringIO()
    write_document(stream, {"a": (text, Finding(text, text))})
    document = stream.getvalue()
    assert json.loads(document)["a"][0] == text
    assert json.loads(error_document(WaypostError(text)))["error"] == text
    assert document == terminal_text(document)
    assert "ü" in document


def test_a_hostile_page() -> None:
    """On a server's page the names of model and columns are text, also where they look like our marks."""
    bad = '</textarea></script><img src=x onerror="y">@NONCE@@EXAMPLE@'
    signature = json.dumps([{"name": bad, "type": "double"}])
    said = parse_mlmodel(
        json.dumps({"flavors": {"python_function": {}}, "signature": {"inputs": signature}}), "MLmodel"
    )
    fields = (
        Field(bad, "text", required=False, value=bad, description=bad),
        Field(bad, "text", required=True, value=bad, choices=(bad, "b")),
        Field(bad, "json", required=True, value=[bad]),
        Field(bad, "time", required=True, value=bad),
    )
    document = openapi(said, bad, {bad: 1.0}, needs_token=True)
    shown = PageContent(
        document, said, {bad: bad}, fields, f"# {bad}\n\n{bad} [a](javascript:b) ![c](//d)\n\n<b>"
    )
    text = page(shown, "the-nonce")
    assert "<img" not in text
    assert "<a href=" not in text.replace('<a href="/openapi.json">', "")
    assert text.count("</textarea>") == 3  # two fields, and the request
    assert text.count("</script>") == 1
    assert text.count("the-nonce") == text.count('nonce="the-nonce"') == 2


def test_a_hostile_card() -> None:
    """Names of columns, classes, slices and tables come from data: a card shows them as they are."""
    bad = "x|y`<script>\n# z"
    signature = json.dumps([{"name": bad, "type": "double"}])
    said = parse_mlmodel(
        json.dumps(
            {
                "flavors": {"python_function": {}},
                "signature": {"inputs": signature},
                "metadata": {"target": bad},
            }
        ),
        "MLmodel",
    )
    metrics = {f"e/class/{bad}/recall": 0.01, f"e/class/{bad}/support": 3.0, f"e/slice/{bad}/rows": 3.0}
    facts = Facts(
        name=bad,
        version="1",
        pipeline=bad,
        run_id="r",
        release="",
        release_url="",
        commit="",
        components=[("train", bad, "t")],
        data={bad: "d"},
        metrics=metrics,
        qualities=list(metrics)[:1],
        mlmodel=said,
        proof=Proof(is_equal=False, reason=bad),
    )
    text = card(facts)
    assert "<script>" not in text.replace("\\<script\\>", "").replace("``x|y`<script>␊# z``", "")
    assert not [line for line in text.splitlines() if line.startswith("# z")]
    rows = [line for line in text.splitlines() if line.startswith("| ") and "x" in line]
    assert rows
    assert all("x\\|y" in row for row in rows)
