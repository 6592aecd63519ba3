"""A page that follows from the code: written by `make docs`, compared by lint (`--check`)."""

from __future__ import annotations

import sys
from pathlib import Path


def keep(page: Path, text: str, source: str) -> None:
    """Writes a page; with --check, ends with 1 where it is not what its source says."""
    if "--check" not in sys.argv[1:]:
        page.write_text(text, encoding="utf-8")
    elif page.read_text(encoding="utf-8") != text:
        sys.exit(f"docs/{page.name} is not what {source}: make docs")
