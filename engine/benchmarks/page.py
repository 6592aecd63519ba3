"""RESULTS.md holds what several benchmarks measured; each replaces its own part."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path(__file__).with_name("RESULTS.md")


def replace(part: str, text: str) -> None:
    """Writes a part of the page anew, at its end where it is not there yet; the others stay."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    block = f"{begin}\n{text.strip()}\n{end}\n"
    page = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end) + "\n", re.DOTALL)
    changed, count = pattern.subn(lambda _: block, page)
    FILE.write_text(changed if count else f"{page.rstrip()}\n\n{block}".lstrip(), encoding="utf-8")
