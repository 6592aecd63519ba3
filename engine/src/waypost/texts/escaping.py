"""Escaping of untrusted text for a terminal, JSON, Markdown or a header.

The author of a log, a changelog, a component's name or a class label must not move the cursor, set
the clipboard, to hide a line or to put a link or a script into somebody's page. Only colours are left out:
whatever else would act is shown instead.
"""

from __future__ import annotations

import json
import re

# C1 controls start sequences as ESC does; the marks of direction show a text in another order than it has;
# nobody sees the rest. The two joiners are not among them: scripts and emoji need these.
_INVISIBLE = "\x80-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_CONTROLS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f{_INVISIBLE}\ud800-\udfff\U000e0000-\U000e007f]")
# Select Graphic Rendition (ECMA-48), colours and nothing else; and the half of Windows' line break.
_LEFT_OUT = re.compile(r"\x1b\[[0-9;:]*m|\r(?=\n)")
_MARKS = re.compile(r"[\\`*\[\]<>|&~]|(?<!\w)_|_(?!\w)|\A[#+=-]")
_NUMBER = re.compile(r"\A(\d+)([.)])")


def terminal_text(text: str) -> str:
    """Returns a text without colours, every control character but tab and line feed as a sign of one cell."""
    return text if text.isprintable() else _CONTROLS.sub(_sign, _LEFT_OUT.sub("", text))


def one_line(text: str) -> str:
    """Returns a text for a place that is one line, such as a header: line breaks are signs, too."""
    return re.sub(r"[\t\n]", _sign, terminal_text(text))


def terminal_json(document: str) -> str:
    r"""Returns the same JSON document with every control character in its texts as \uXXXX."""
    return _CONTROLS.sub(lambda hit: json.dumps(hit[0])[1:-1] if hit[0] != "\x7f" else "\\u007f", document)


def markdown_text(text: str) -> str:
    """Returns a text for a paragraph, a list or a cell of a table: no mark in it means anything.

    An address or a mention of somebody still is one, where a page makes links of them: `markdown_code`.
    """
    return _NUMBER.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", one_line(text)))


def markdown_code(text: str, *, in_table: bool = False) -> str:
    """Returns a text as inline code, whatever backticks are in it; in a table a bar needs an escape."""
    plain = one_line(text)
    if not plain.strip():
        return ""
    if in_table and "\\|" in plain:  # whether the bar ends the cell then is a matter of the reader
        return markdown_text(text)
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
