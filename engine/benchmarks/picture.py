"""Draws a captured terminal as SVG: `tmux capture-pane -ep | python engine/benchmarks/picture.py FILE`."""

import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

if __name__ == "__main__":
    lines = sys.stdin.read().rstrip().splitlines()
    console = Console(record=True, width=112, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(Text.from_ansi("\n".join(lines)))
    svg = console.export_svg(title="make run", theme=MONOKAI)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # nothing is loaded from elsewhere
    Path(sys.argv[1]).write_text(svg, encoding="utf-8")
