"""The command line: the verbs, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType

import click

from waypost import __version__, extras
from waypost.commands.verbs import Verbs
from waypost.compat import python
from waypost.contracts.escaping import terminal_text
from waypost.errors import Interrupted, WaypostError, redacted
from waypost.sources.process import ProcessError
from waypost.tracking.databases import LISTENER


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Run MLflow pipelines made of versioned components: locked, released, reproduced, deployed.

    \b
    Examples:
      waypost run pipeline                        run the pipeline in ./pipeline
      waypost run pipeline model.max_depth=8      with another parameter
      waypost run pipeline --dry-run              show the plan only
      waypost sweep pipeline model.max_depth=4,8  run it for several values, sharing what is equal
      waypost lock pipeline                       pin the versions that pipeline.yaml asks for
      waypost verify pipeline                     is everything still what was pinned?
      waypost check components-repo               what users of a component library would stumble over
      waypost release --push                      cut the next version, the least that is honest
      waypost run https://host/org/grades@1.4.13  execute a release from its tag
      waypost promote 1.4.13 --name grades        its model becomes the champion, if it is good enough
      waypost serve models:/grades@champion       answer requests, one at a time
      waypost score models:/grades@champion loans.parquet scored   a whole table at once

    Exit codes: 0 ok, 1 findings or a failed step, 2 usage, 3 network or access, 4 integrity,
    130 interrupted.
    """


def main() -> None:
    """Runs the command line and exits."""
    # Imports make many objects that stay: looking through them for garbage takes a tenth of the time.
    gc.set_threshold(100_000, 50, 50)
    with _signals_as_exceptions():
        code = _run()
        python.leave(code)


def _run() -> int:
    """Runs the command line; returns the exit code."""
    LISTENER.set(lambda text: click.echo(text, err=True))
    try:
        return int(cli.main(standalone_mode=False) or 0)
    except WaypostError as error:
        _show(error)
        return error.exit_code
    except (OSError, ProcessError) as error:
        # A full disk, a cache that cannot be written, a git that fails: no bug, so no stack trace.
        _show(WaypostError(redacted(" ".join(str(error).split()))))
        return WaypostError.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except KeyboardInterrupt as error:
        _show(WaypostError(str(error) or "interrupted"))
        return Interrupted.exit_code
    except Exception as error:
        # click takes the end of any file for one of the keyboard's; only Ctrl-C is one.
        if isinstance(error, click.Abort) and not isinstance(error.__cause__, EOFError):
            _show(WaypostError("interrupted"))
            return Interrupted.exit_code
        # A bug: the stack trace is what helps. Or a package in a version that we do not know.
        sys.stderr.write(terminal_text(redacted(traceback.format_exc())))
        if lacking := extras.explained(extras.CORE, "waypost"):
            _show(lacking)
        return 1


def _show(error: WaypostError) -> None:
    # Imported here: --help and a run without errors do not need it at once.
    from waypost.report import common
    from waypost.report.console import Console

    if "--json" in sys.argv:
        print(common.error_document(error))
    else:
        common.show_error(Console(stderr=True), error)


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM into Interrupted; later ones do not disturb the clean-up."""

    def interrupt(number: int, _: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(f"interrupted by {signal.Signals(number).name}")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    yield
