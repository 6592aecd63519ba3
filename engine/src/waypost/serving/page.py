"""The page at /docs: the model's description and a form, generated from its signature."""

from __future__ import annotations

import html
import json
import pprint
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waypost.contracts.mlmodel import MLmodel
from waypost.serving.fields import Field, Value
from waypost.serving.markdown import html_of
from waypost.serving.protocol import JSON
from waypost.texts.escaping import terminal_text

_ENOUGH = 7  # significant digits of a range
_MOST_NAMED = 10  # categories


@dataclass(frozen=True)
class PageContent:
    """The content of the page: `document` describes the server, `card` is Markdown."""

    document: Mapping[str, Any]
    mlmodel: MLmodel
    facts: Mapping[str, str]
    fields: Sequence[Field] = ()
    card: str = ""


_HERE = "http://localhost:5000/invocations"  # the page writes its own address there


def _curl(example: dict[str, Any], *, needs_token: bool) -> str:
    token = ' -H "Authorization: Bearer $WAYPOST_TOKEN"' if needs_token else ""
    body = json.dumps(example, indent=1, ensure_ascii=False)
    return f"curl {_HERE} -H 'Content-Type: application/json'{token} -d @- <<'JSON'\n{body}\nJSON\n"


def _python(example: dict[str, Any], *, needs_token: bool) -> str:
    token = ', headers={"Authorization": f"Bearer {os.environ[\'WAYPOST_TOKEN\']}"}' if needs_token else ""
    modules = "import os\n\nimport requests" if needs_token else "import requests"
    body = pprint.pformat(example, sort_dicts=False, width=100)
    return (
        f"{modules}\n\nbody = {body}\nreply = requests.post({_HERE!r}, json=body{token}, timeout=30)\n"
        "reply.raise_for_status()\nprint(reply.json())\n"
    )


def page(shown: PageContent, nonce: str) -> str:
    """Returns the page: the model's inputs, and a form to try it. It loads nothing from other servers."""
    document = shown.document
    post = document["paths"]["/invocations"]["post"]
    example = post["requestBody"]["content"][JSON]["examples"]["probabilities"]["value"]
    is_guarded = "security" in document
    filled = {
        "TITLE": _text(document["info"]["title"]),
        "NONCE": nonce,
        "FACTS": "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in shown.facts.items() if v),
        "TOKEN": _ASKED_FOR if is_guarded else "",
        "FIELDS": "".join(_field(number, field) for number, field in enumerate(shown.fields)),
        "OPEN": "" if shown.fields else " open",
        "EXAMPLE": _text(json.dumps(example, indent=1, ensure_ascii=False)),
        "CURL": _text(_curl(example, needs_token=is_guarded)),
        "PYTHON": _text(_python(example, needs_token=is_guarded)),
        "CARD": f'<h2>Model card</h2><article class="card">{html_of(shown.card)}</article>'
        if shown.card
        else "",
        "COLUMNS": "".join(
            f"<tr><td>{_text(c.name)}</td><td>{c.type}</td><td>{'yes' if c.required else 'no'}</td></tr>"
            for c in shown.mlmodel.inputs
        ),
    }
    text = Path(__file__).with_name("docs.html").read_text(encoding="utf-8")
    # In one pass, so that a name that looks like a placeholder is not replaced.
    return re.sub("@([A-Z]+)@", lambda mark: filled[mark[1]], text)


_ASKED_FOR = (
    '<p class="field"><label for="token">Bearer token</label>'
    '<input id="token" type="password" autocomplete="off"></p>'
)


def _text(text: str) -> str:
    """Returns a text escaped for any place in the page: between tags, and in quotes."""
    return html.escape(terminal_text(text))


def _field(number: int, field: Field) -> str:
    """Returns the label, the control and the hints of a column; the script finds it by `data-kind`."""
    own = f'id="f{number}" data-name="{html.escape(field.name)}" data-kind="{field.kind}"'
    hints = _hints(field)
    described = f' aria-describedby="h{number}"' if hints else ""
    missing = ""
    if field.kind == "text" and not field.choices and field.may_miss:
        checked = " checked" if field.value is None else ""
        box = f'<input type="checkbox" data-missing="f{number}"{checked}>'
        missing = f'<label class="missing">{box} missing</label>'
    mark = "" if field.required else " <small>optional</small>"
    label = f'<label for="f{number}">{_text(field.name)}{mark}</label>'
    hint = f'<small id="h{number}">{_text(hints)}</small>' if hints else ""
    return f'<div class="field">{label}{_control(field, own + described)}{missing}{hint}</div>\n'


def _control(field: Field, own: str) -> str:
    """Returns the HTML control for a column: a choice, a checkbox, a number or a text."""
    value = field.value
    if field.choices:
        options = [*([None] if field.may_miss else []), *field.choices]
        return f"<select {own}>{''.join(_option(each, is_set=each == value) for each in options)}</select>"
    match field.kind:
        case "boolean":
            return f'<input type="checkbox" {own}{" checked" if value else ""}>'
        case "number" | "integer":
            step = "any" if field.kind == "number" else "1"
            limits = "".join(
                f' {name}="{bound!r}"'
                for name, bound in (("min", field.minimum), ("max", field.maximum))
                if bound is not None
            )
            hint = ' placeholder="missing"' if field.may_miss else " required"
            text = "" if value is None else json.dumps(value)
            return f'<input type="number" step="{step}"{limits}{hint} value="{text}" {own}>'
        case "time":
            text = _text(str(value or "").replace(" ", "T"))
            return f'<input type="datetime-local" step="1" value="{text}" {own}>'
        case "json":
            text = _text(json.dumps(value, ensure_ascii=False))
            return f'<textarea rows="2" spellcheck="false" class="code" {own}>\n{text}</textarea>'
        case "text":
            return f'<textarea rows="1" {own}>\n{html.escape(value or "")}</textarea>'


def _option(value: Value, *, is_set: bool) -> str:
    """Returns a choice; its value is JSON, which distinguishes strings, numbers and missing values."""
    words = "(missing)" if value is None else "(empty)" if value == "" else str(value)
    given = html.escape(json.dumps(value, ensure_ascii=False))
    return f'<option value="{given}"{" selected" if is_set else ""}>{_text(words)}</option>'


def _hints(field: Field) -> str:
    """Returns the known facts of a column's values, in words."""
    found = [field.description] if field.description else []
    low, high = field.minimum, field.maximum
    if low is not None or high is not None:
        found.append(f"trained on {_number(low)} to {_number(high)}")
    elif field.seen:
        found.append(f"in the example {_number(field.seen[0])} to {_number(field.seen[1])}")
    if field.common and not field.choices:
        more = ", …" if len(field.common) > _MOST_NAMED else ""
        found.append(f"often {', '.join(str(value) for value in field.common[:_MOST_NAMED])}{more}")
    return " · ".join(found)


def _number(value: float | None) -> str:
    return "…" if value is None else f"{value:.{_ENOUGH}g}"
