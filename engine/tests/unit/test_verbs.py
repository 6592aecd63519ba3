"""Verbs: listed without being imported, each with the first sentence of its own help."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from waypost import cli as command_line
from waypost import extras
from waypost.cli import cli
from waypost.commands.verbs import VERBS


@pytest.mark.parametrize("name", VERBS)
def test_what_is_listed_is_what_the_verb_says(name: str) -> None:
    """The list of verbs has the first sentence of each verb's own help, and its name."""
    verb = cli.get_command(click.Context(cli), name)
    assert verb is not None
    assert verb.name == name
    first = re.split(r"\n\n", verb.help or "")[0]
    assert " ".join(first.split()).startswith(VERBS[name].about)
    assert VERBS[name].about.endswith(".")


def test_every_extra_is_one_of_pyproject() -> None:
    """A verb asks for an extra that exists."""
    asked = {verb.extra for verb in VERBS.values()} - {extras.CORE}
    markers = " ".join(str(r.marker) for r in extras.requirements())
    assert asked
    assert all(f'extra == "{extra}"' in markers for extra in asked)


def test_a_slip_is_told_with_the_near_verb() -> None:
    """A verb that there is not is a usage error that names the nearest one, if one is near."""
    with pytest.raises(click.UsageError, match="no such command: lokc; did you mean 'lock'") as caught:
        cli.main(["lokc", "pipeline"], standalone_mode=False)
    assert caught.value.exit_code == 2
    with pytest.raises(click.UsageError, match="No such command 'deploy-all-of-it'"):
        cli.main(["deploy-all-of-it"], standalone_mode=False)


def test_help_imports_no_verb() -> None:
    """`waypost --help` imports no verb and nothing that only a verb needs."""
    script = (
        "import sys; from waypost.cli import cli; cli.main(['--help'], standalone_mode=False);"
        "heavy = {'pydantic', 'rich', 'yaml', 'mlflow', 'numpy', 'importlib.metadata'} & set(sys.modules);"
        "verbs = [m for m in sys.modules if m.startswith('waypost.commands.')];"
        "assert (heavy, verbs) == (set(), ['waypost.commands.verbs']), (heavy, verbs)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Score each row of INPUT with MODEL" in done.stdout


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (EOFError("https://me:pass@word@host ended"), 1, "EOFError: https://host ended"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_the_end_of_a_file_is_no_interrupt(
    raised: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only Ctrl-C is one, although click takes both for the same; a stack trace has no password, either."""

    def end() -> None:
        raise raised

    monkeypatch.setattr(sys, "argv", ["waypost", "cache", "list"])
    monkeypatch.setattr(cli, "callback", end)
    assert command_line._run() == code
    text = capsys.readouterr().err
    assert said in text
    assert "word" not in text
