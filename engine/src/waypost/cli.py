"""The command line: the verbs, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import gc
import sys
import traceback

import click

from waypost import __version__, extras
from waypost.commands.verbs import Verbs
from waypost.compat import python
from waypost.errors import Interrupted, WaypostError, redacted
from waypost.system.process import ProcessError
from waypost.system.signals import heeded
from waypost.texts.escaping import terminal_text
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
      waypost check components-repo               problems that users of a library would run into
      waypost release --push                      cut the next version, the least that is honest
      waypost run https://host/org/grades@1.4.13  execute a release from its tag
      waypost promote 1.4.13 --name grades        its model becomes the champion, if it is good enough
      waypost serve models:/grades@champion       answer requests, one at a time
      waypost score models:/grades@champion loans.parquet scored   a whole table at once

    Exit codes: 0 ok, 1 findings or a failed step, 2 usage, 3 network or access, 4 integrity,
    130, 143, 129 or 131 interrupted by SIGINT, SIGTERM, SIGHUP or SIGQUIT.
    """


def main() -> None:
    """Runs the command line and exits."""
    # Imports make many objects that stay: looking through them for garbage takes a tenth of the time.
    gc.set_threshold(100_000, 50, 50)
    with heeded():
        code = _run()
        python.leave(code)


def _run() -> int:
    """Runs the command line; returns the exit code."""
    LISTENER.set(lambda text: click.echo(text, err=True))
    try:
        return int(cli.main(standalone_mode=False) or 0)
    except BaseException as error:
        if cause := _interruption(error):
            with contextlib.suppress(OSError, SystemExit):  # nobody may be there to read it
                _show(WaypostError(str(cause)))
            return cause.exit_code
        return _told(error)


def _told(error: BaseException) -> int:
    """Shows what went wrong; returns the exit code."""
    if isinstance(error, WaypostError):
        _show(error)
        return error.exit_code
    if isinstance(error, OSError):
        # A full disk, a cache that cannot be written: no bug, so no stack trace.
        from waypost.sources.refusals import of_system

        _show(of_system(error))
        return WaypostError.exit_code
    if isinstance(error, ProcessError):  # a git that fails
        _show(WaypostError(redacted(" ".join(str(error).split()))))
        return WaypostError.exit_code
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    # click takes the end of any file for one of the keyboard's; only Ctrl-C is one.
    is_end_of_file = isinstance(error.__cause__, EOFError)
    if isinstance(error, (KeyboardInterrupt, click.Abort)) and not is_end_of_file:
        _show(WaypostError("interrupted"))
        return Interrupted.exit_code
    if not isinstance(error, Exception):
        raise error
    # A bug: the stack trace is what helps. Or a package in a version that we do not know.
    sys.stderr.write(terminal_text(redacted("".join(traceback.format_exception(error)))))
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


def _interruption(error: BaseException) -> Interrupted | None:
    """Returns the signal behind an error: what a clean-up raised, and what click made of it, name it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, Interrupted):
            return cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None
