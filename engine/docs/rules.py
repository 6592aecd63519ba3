# ruff: noqa: E501 (paragraphs are lines)
"""Writes docs/rules.md, the rules of `waypost check` (`make docs`); with --check it only says if it is so."""

from __future__ import annotations

from pathlib import Path

from docs.generated import keep
from waypost.contracts.rules import RULES, Of, Rule

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
_HEAD = """# Rules

What `waypost check` requires of a library or a pipeline; `make docs` writes this page. Each finding has the id of its rule as its category. Exit code 1 if there is a finding.

*refused*: `waypost release` refuses a product that breaks the rule, also with `--dry-run`. Other findings are shown as advice.
*always*: cannot be ignored, because nobody could lock or run the product.

## Ignore a finding
A finding is ignored with a reason, at one place or in the whole product. In a library's `setup.cfg`:
```ini
[waypost:ignore]
example@evaluate = needs a model; tests/test_stock.py runs it
hashed = our mirror builds its own wheels
```
In `pipeline.yaml`:
```yaml
ignore:
  data@steps.load.with.url: the ministry replaces the file each month, and we want the newest
```
The place is a file, a folder or a key, as in the finding; everything below it is included. Ignored findings are shown with their reasons. An entry without a reason, or without a finding, is a finding itself.

## Execute tests and examples
`waypost check --run` executes each component's tests in its own environment, and refuses connections to other machines; scripts such as `test_run.sh` and `test-run.R` are executed, too. Packages that only the tests need are listed in `setup.cfg`:
```ini
[waypost:tests]
packages = hypothesis
```
Then stock MLflow runs the component's example in a copy of the library: the values of `example`, a key of the entry point, or else the defaults. Every declared output has to exist, and a model has to answer its own input example.
```yaml
    example: {data: example.csv, target: species}                     # a file of the component's folder
    example: {data: "${components.load.outputs.table}", target: kind}  # the output of another component's example
```

## In a pull request
`waypost check --sarif FILE`, and `waypost ci check --sarif FILE`, write findings that services show next to the lines of a pull request. On GitHub the workflow `findings.yml` does it ([ci.md](ci.md#2-call-the-workflows)).

## Other ways
`--fix` mends what has one right answer. `--json` is for programs.
"""
_TITLES: dict[Of, str] = {
    "component": "A component",
    "library": "A library",
    "pipeline": "A pipeline",
    "all": "All of them",
    "run": "With --run",
}


def page() -> str:
    """Returns the page: a table of rules for each kind of product."""
    parts = [_HEAD]
    for of, title in _TITLES.items():
        rows = [_row(name, rule) for name, rule in RULES.items() if rule.of == of]
        parts.append(
            "\n".join([f"## {title}", "| rule | requirement | reason | |", "|---|---|---|---|", *rows, ""])
        )
    return "\n".join(parts)


def _row(name: str, rule: Rule) -> str:
    notes = [word for word, holds in (("refused", rule.refuses), ("always", rule.final)) if holds]
    return f"| `{name}` | {rule.demand} | {rule.reason} | {', '.join(notes)} |"


if __name__ == "__main__":
    keep(PAGE, page(), "contracts/rules.py says")
