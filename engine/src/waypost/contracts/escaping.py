"""Foreign text, made fit for where it goes: a terminal, JSON, Markdown, a header.

Whoever wrote a log, a changelog, a component's name or a class label does not get to move the cursor, to set
the clipboard, to hide a line or to put a link or a script into somebody's page. Only colours are left out:
whatever else would act is shown instead.
"""

from __future__ import annotations

import re

# C1 controls start sequences as ESC does; the marks of direction show a text in another order than it has.
_INVISIBLE = "\x80-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff"
_CONTROLS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f{_INVISIBLE}\ud800-\udfff]")
# Select Graphic Rendition (ECMA-48): colours, and nothing else.
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_MARKS = re.compile(r"[\\`*\[\]<>|&~]|(?<!\w)_|_(?!\w)")


def terminal_text(text: str) -> str:
    """Returns a text without colours, every control character but tab and line feed as a sign of one cell."""
    return text if text.isprintable() else _CONTROLS.sub(_sign, _COLOURS.sub("", text))


def one_line(text: str) -> str:
    """Returns a text for a place that is one line, such as a header: line breaks are signs, too."""
    return re.sub(r"[\t\n]", _sign, terminal_text(text))


def terminal_json(document: str) -> str:
    r"""Returns the same JSON document with every control character in its texts as \uXXXX."""
    return _CONTROLS.sub(lambda hit: f"\\u{ord(hit[0]):04x}", document)


def markdown_text(text: str) -> str:
    """Returns a text for a paragraph, a list or a cell of a table: no mark in it means anything."""
    return _MARKS.sub(r"\\\g<0>", one_line(text))


def markdown_code(text: str, *, in_table: bool = False) -> str:
    """Returns a text as inline code, whatever backticks are in it; in a table a bar needs an escape."""
    plain = one_line(text)
    if not plain.strip():
        return ""
    fence = "`" * (max(map(len, re.findall("`+", plain)), default=0) + 1)
    space = " " if plain[0] == "`" or plain[-1] == "`" else ""
    code = f"{fence}{space}{plain}{space}{fence}"
    return code.replace("|", "\\|") if in_table else code


def markdown_block(text: str) -> str:
    """Returns a text as a block of code: nothing in it is a link, an image, a mention or HTML."""
    plain = terminal_text(text).strip("\n")
    fence = "`" * max(3, max(map(len, re.findall("`+", plain)), default=0) + 1)
    return f"{fence}\n{plain}\n{fence}"


def _sign(hit: re.Match[str]) -> str:
    code = ord(hit[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"
