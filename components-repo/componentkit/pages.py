"""Pages for people: self-contained HTML in one style; the same facts give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{ title }}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem;
         color: #1d2430; }
  table { border-collapse: collapse; width: 100%; margin-bottom: 1.5rem; }
  th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #dfe3ea; vertical-align: top; }
  th { background: #f4f6f9; }
  .number { text-align: right; font-variant-numeric: tabular-nums; }
  .failed { color: #a3141e; font-weight: 600; }
  .passed { color: #14713b; }
  .about { color: #5a6472; font-size: 13px; }
  code { background: #f4f6f9; padding: 0 .25rem; overflow-wrap: anywhere; }
</style>
<h1>{{ title }}</h1>
{% block body %}{% endblock %}
</html>
"""


def rendered(template: Path, *, title: str, **facts: Any) -> str:
    """Returns the page of a Jinja template, which fills the block `body` of the frame."""
    import jinja2

    loader = jinja2.DictLoader({"frame": _FRAME, "page": template.read_text(encoding="utf-8")})
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = "{:,}".format
    return environment.get_template("page").render(title=title, **facts)
