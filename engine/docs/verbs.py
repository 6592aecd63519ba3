"""Writes docs/verbs.md, the help of each verb (`make docs`); with --check it only tells whether it is so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from docs.generated import keep
from waypost.cli import cli

PAGE = Path(__file__).parents[2] / "docs" / "verbs.md"
_WIDTH = 100
_HEAD = """# Verbs

What `waypost VERB --help` says; `make docs` writes this page. Exit codes are the same for all verbs: 0 ok,
1 findings or a failed step, 2 usage, 3 network or access, 4 integrity.
"""


def page() -> str:
    """Returns the page: the help of `waypost`, of each verb, and of the verbs below a verb."""
    settings = {**cli.context_settings, "max_content_width": _WIDTH, "terminal_width": _WIDTH}
    context = click.Context(cli, info_name="waypost", **settings)
    parts = [_HEAD, *(f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps(cli, context))]
    return "\n".join(parts)


def _helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if below := command.get_command(context, name):
                yield from _helps(below, click.Context(below, info_name=name, parent=context))


if __name__ == "__main__":
    keep(PAGE, page(), "the verbs' --help says")
