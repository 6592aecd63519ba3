# ruff: noqa: E501 (paragraphs are lines)
"""Writes docs/rules.md, the rules of `waypost check` (`make docs`); with --check it only says if it is so."""

from __future__ import annotations

from pathlib import Path

from docs.generated import keep
from waypost.contracts.rules import RULES, Of, Rule

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
_HEAD = """# Rules

What `waypost check` looks at, in a library or a pipeline; `make docs` writes this page. Each finding has the id of its rule. Exit code 1 where there is one.

*refused*: `waypost release` refuses a product that breaks the rule, also with `--dry-run`. Anything else it tells as advice.
*always*: cannot be ignored, since nobody could lock or run the product.

## Ignore a finding
With a reason, for one place or for all of the product. In a library's `setup.cfg`:
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
The place is a file, a folder or a key, as the finding has it; what lies below is meant, too. What is ignored is shown with its reason. A line without a reason, or that ignores nothing, is a finding itself.

## Execute them
`waypost check --run` executes each component's tests in the component's own environment, where connections to other machines are refused; scripts such as `test_run.sh` and `test-run.R`, too. Packages that only tests need stand in `setup.cfg`:
```ini
[waypost:tests]
packages = hypothesis
```
Then stock MLflow runs its example in a copy of the library: the values that `example` has beside the entry point's command, or the defaults. Every declared output has to be there, a model has to answer its own input example.
```yaml
    example: {data: example.csv, target: species}                     # a file of the component's folder
    example: {data: "${components.load.outputs.table}", target: kind}  # what another component's example gave
```

## In a pull request
`waypost check --sarif FILE`, and `waypost ci check --sarif FILE`, write what services show beside the lines. On GitHub a job of your own does it, with the permission that only it needs (`TAG` is best a commit):
```yaml
  findings:
    runs-on: ubuntu-latest
    permissions: {contents: read, security-events: write}
    steps:
      - uses: actions/checkout@TAG
      - uses: actions/setup-python@TAG
        with: {python-version: "3.11"}
      - run: python -m pip install --quiet --require-hashes --requirement .github/waypost.txt
      - run: waypost check --sarif waypost.sarif || true
      - uses: github/codeql-action/upload-sarif@TAG
        with: {sarif_file: waypost.sarif}
```

## Other ways
`--fix` writes what has one right answer. `--json` is for programs.
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
            "\n".join([f"## {title}", "| rule | what has to be so | why | |", "|---|---|---|---|", *rows, ""])
        )
    return "\n".join(parts)


def _row(name: str, rule: Rule) -> str:
    notes = [word for word, holds in (("refused", rule.refuses), ("always", rule.final)) if holds]
    return f"| `{name}` | {rule.demand} | {rule.reason} | {', '.join(notes)} |"


if __name__ == "__main__":
    keep(PAGE, page(), "contracts/rules.py says")
