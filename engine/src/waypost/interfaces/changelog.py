"""Sections of a CHANGELOG.md: those between two versions, and [Unreleased]."""

from __future__ import annotations

import re
from itertools import zip_longest

from packaging.version import InvalidVersion, Version

_HEADING = re.compile(r"^##\s+\[?v?([^\]\s]+)\]?", re.MULTILINE)
_UNRELEASED = re.compile(r"^##\s+\[?Unreleased\]?[^\n]*", re.MULTILINE | re.IGNORECASE)

# What is between two of these is code, or a comment: a heading in there is none.
_MARKS = re.compile(r"^[ \t]*(`{3,}|~{3,})|<!--|-->", re.MULTILINE)

# https://spec.commonmark.org/0.31.2/#link-reference-definitions, on one line, as changelogs have them
_LINK = re.compile(r"^ {0,3}\[([^\]]+)\]:[ \t]*(\S+)[^\n]*\n?", re.MULTILINE)
_COMPARED = re.compile(r"(.*?/)([\w-]*?v?)(\d+\.\d+\.\d+[\w.]*?)(\.{2,3}|%2E%2E%2E)([^./][^/]*)")


def lines_between(text: str, old: Version, new: Version) -> str:
    """Returns the sections of the versions after `old` up to `new`, newest first.

    Source of the form: https://keepachangelog.com/en/1.1.0/
    """
    headings = list(_HEADING.finditer(_without_code(text)))
    kept = []
    for heading, following in zip_longest(headings, headings[1:]):
        end = following.start() if following else len(text)
        try:
            version = Version(heading[1])
        except InvalidVersion:
            continue
        if old < version <= new:
            kept.append(_LINK.sub("", text[heading.start() : end]).strip())
    return "\n\n".join(kept)


def unreleased(text: str) -> str:
    """Returns what stands under [Unreleased] but link references; empty where there are only headings and
    comments.
    """
    body = _LINK.sub("", _section(text) or "")
    is_said = re.search(r"^\s*[-*]\s|^(?!#)\S", _without_code(body), re.MULTILINE)
    return body.strip() if is_said else ""


def has_unreleased(text: str) -> bool:
    """Tells whether there is a heading [Unreleased] of the second level."""
    return _UNRELEASED.search(_without_code(text)) is not None


def rotated(text: str, version: str, day: str) -> str:
    """Returns the text with [Unreleased] empty and its content under the new version; so is the link of
    [Unreleased], where it compares the last version with the newest.

    Raises ValueError where there is no [Unreleased].
    """
    heading = _UNRELEASED.search(_without_code(text))
    if heading is None:
        raise ValueError("no heading ## [Unreleased]")
    whole = f"{text[: heading.end()]}\n\n## [{version}] - {day}{text[heading.end() :]}"
    return _LINK.sub(lambda link: _rotated_link(link, version, text), whole)


def _rotated_link(link: re.Match[str], version: str, text: str) -> str:
    """Returns a link reference: of that of [Unreleased] two, where its address names the last version.

    `…/compare/v1.2.0...HEAD` becomes `…/compare/v1.3.0...HEAD`, and the new version is
    `…/compare/v1.2.0...v1.3.0`.
    """
    compared = _COMPARED.fullmatch(link[2])
    if link[1].lower() != "unreleased" or compared is None:
        return link[0]
    start, tag, last, dots, head = compared.groups()
    end = "\n" if link[0].endswith("\n") else ""
    new = f"[{link[1]}]: {start}{tag}{version}{dots}{head}{end}"
    known = {name for name, _ in _LINK.findall(text)}
    if version in known or not last:
        return new
    return f"{new}{'' if end else chr(10)}[{version}]: {start}{tag}{last}{dots}{tag}{version}{end}"


def _section(text: str) -> str | None:
    plain = _without_code(text)
    heading = _UNRELEASED.search(plain)
    if heading is None:
        return None
    following = _HEADING.search(plain, heading.end())
    return text[heading.end() : following.start() if following else len(text)]


def _without_code(text: str) -> str:
    """Returns a text of the same length, with letters in place of code and blanks in place of comments.

    What is opened and never closed stays as it is. It takes time in proportion to the text, which may be a
    stranger's.
    """
    parts, done, opened = [], 0, None
    for mark in _MARKS.finditer(text):
        if opened is None:
            opened = None if mark[0] == "-->" else mark
            continue
        is_comment = opened[0] == "<!--"
        if mark[0] == "-->" if is_comment else (mark[1] or "").startswith(opened[1]):
            parts += [text[done : opened.start()], _filled(text[opened.start() : mark.end()], is_comment)]
            done, opened = mark.end(), None
    return "".join([*parts, text[done:]])


def _filled(text: str, is_comment: bool) -> str:
    return re.sub(r"[^\n]", " " if is_comment else "x", text)
