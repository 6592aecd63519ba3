"""The connection to a tracking server: MLflow's settings, retries while it is silent, and error messages."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from waypost.compat.urllib3 import LOGGER, attempts_left
from waypost.contracts.urls import scheme_of
from waypost.errors import WaypostError, redacted
from waypost.tracking.databases import WAIT_SECONDS, Turn, database_errors, is_address, is_server, refusal
from waypost.tracking.local import is_folder, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

Result = TypeVar("Result")
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_WISHED = os.environ.get(_RETRIES)  # the user's setting always wins
# Pauses grow from 2 s by powers of two: a wrong address is reported within 10 s, but a server that
# disappears during a run, with hours of work done, is retried for about two minutes.
_AT_FIRST, _ON_THE_WAY, _AT_LAST = "3", "6", "0"
_INSISTENT_SECONDS, _PAUSE_SECONDS = 120.0, 1.0
_LAST_SECONDS = 5.0  # for a database that another process has locked
_LAST_LIMITS = {_RETRIES: _AT_LAST, "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}  # else 120 s
_REFUSED = {
    "UNAUTHENTICATED": (
        "it asks for credentials: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or a"
        " MLFLOW_TRACKING_TOKEN that has not expired"
    ),
    "PERMISSION_DENIED": (
        "the user of MLFLOW_TRACKING_USERNAME may not do this; the owner of the experiment can grant EDIT"
    ),
    "INVALID_PARAMETER_VALUE": "it answers, but refuses this request: a value is not one that it takes",
    "RESOURCE_DOES_NOT_EXIST": "is it recorded on another server (MLFLOW_TRACKING_URI)?",
}
_QUOTED, _QUOTES = re.compile(r"'([^']*)'"), "'\")"
_FOLDERS = "MLFLOW_ALLOW_FILE_STORE"
_NO_FOLDERS = (
    "set a database: MLFLOW_TRACKING_URI=sqlite:///mlflow.db, and move the existing runs into it: mlflow"
    f" migrate-filestore; or allow folders: {_FOLDERS}=true"
)
_DECLINED = (
    "it answers, but refuses this request. Finished steps are recorded; once it is fixed, run the same"
    " command to continue"
)
_NO_DRIVER = (
    "install it where Waypost is installed: pymysql for mysql+pymysql://, psycopg2-binary for postgresql://"
)
_ADDRESS = "write MLFLOW_TRACKING_URI as postgresql://user:password@host:5432/database"
_SILENT = (
    "is the server up (MLFLOW_TRACKING_URI)? Finished steps are recorded; run the same command to continue"
)


class SilentServerError(WaypostError):
    """A tracking server does not answer, or a database is not there."""

    def __init__(self, message: str, uri: str) -> None:
        super().__init__(message, hint=f"{_by_proxy(uri)}{_SILENT}")


def _by_proxy(uri: str) -> str:
    """Returns which proxy of the environment stands before a server, empty for none."""
    scheme = scheme_of(uri)
    if scheme not in ("http", "https"):
        return ""
    from requests.utils import get_environ_proxies

    proxies = get_environ_proxies(uri)
    proxy = proxies.get(scheme) or proxies.get("all")
    return f"asked through the proxy {redacted(proxy)}: NO_PROXY leaves it out; " if proxy else ""


def set_defaults() -> None:
    """Sets what MLflow reads on import: its telemetry starts a thread at that point."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # no messages about new tables
    # Otherwise MLflow prints two lines for every run that ends; the engine has its own output.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # By default, MLflow retries for some minutes before it reports that a server is unreachable.
    os.environ.setdefault(_RETRIES, _AT_FIRST)


def client(uri: str) -> MlflowClient:
    """Returns MLflow's client; if the store is a SQLite file, each of its calls waits until the file is
    free.
    """
    set_defaults()
    import mlflow

    # We report a locked database in one line; MLflow would log the stack trace, too.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    turn = Turn(uri)
    found = turn(lambda: mlflow.MlflowClient(uri))
    return cast("MlflowClient", _TakingTurns(found, turn))


class _TakingTurns:
    """Wraps an object; its methods are called through a `Turn`."""

    def __init__(self, target: object, turn: Turn) -> None:
        self._target = target
        self._turn = turn

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not callable(method):
            return method
        return lambda *values, **named: self._turn(lambda: method(*values, **named))


@contextlib.contextmanager
def tracking_errors(uri: str = "") -> Iterator[None]:
    """Turns MLflow's errors into a WaypostError that names the server and a remedy.

    Args: `uri` is the server's, if it is not the one in this process's variables.
    """
    set_defaults()
    uri = uri or tracking_uri()
    from mlflow.exceptions import MlflowException

    try:
        yield
    except database_errors() as error:
        if problem := refusal(uri, error):
            raise problem from error
        words = " ".join(str(getattr(error, "orig", None) or error).split())
        message = f"tracking database {redacted(uri)}: {redacted(words)}"
        raise SilentServerError(message, uri) from error
    except (ImportError, ValueError) as error:
        if problem := _not_reachable(uri, error):
            raise problem from error
        raise
    except MlflowException as error:
        if problem := refusal(uri, error):
            raise problem from error
        if is_folder(uri) and os.environ.get(_FOLDERS, "").lower() not in ("true", "1"):
            message = f"tracking store {uri}: MLflow does not write to folders any more"
            raise WaypostError(message, hint=_NO_FOLDERS) from error
        message = f"tracking server {redacted(uri)}: {_plain(error)}"
        if _is_silence(error):
            raise SilentServerError(message, uri) from error
        hint = _REFUSED.get(error.error_code, _DECLINED)
        raise WaypostError(message, hint=hint) from error


def _not_reachable(uri: str, error: ImportError | ValueError) -> WaypostError | None:
    """Returns what is wrong with the address of a database server, None if the error has another cause."""
    there = f"tracking database {redacted(uri)}"
    if is_server(uri) and isinstance(error, ImportError):
        return WaypostError(f"{there}: its driver is not installed: {error}", hint=_NO_DRIVER)
    if is_server(uri) and not is_address(uri):
        return WaypostError(f"{there}: that is no address of a database", hint=_ADDRESS)
    return None


def insisted(call: Callable[[], Result], uri: str, wait: Callable[[str], object]) -> Result:
    """Returns the result of a call that may be repeated: again and again while the server is silent, for two
    minutes. Raises WaypostError.

    Args: `wait` is called with the problem before each repetition; what it raises ends them.
    """
    until = time.monotonic() + _INSISTENT_SECONDS
    while True:
        try:
            with tracking_errors(uri):
                return call()
        except SilentServerError as error:
            if time.monotonic() > until:
                raise
            wait(str(error))
        time.sleep(_PAUSE_SECONDS)


def _is_silence(error: MlflowException) -> bool:
    """Returns whether a server did not answer, rather than refuse."""
    if error.error_code in _REFUSED:
        return False
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        # The requests library raises OSError, with the response if there was one.
        if isinstance(cause, OSError):
            return getattr(cause, "response", None) is None
        cause = cause.__cause__ or cause.__context__
    return False


def _plain(error: MlflowException) -> str:
    """Returns the cause without the repr of urllib3's objects."""
    text = redacted(str(error.message))
    if "Max retries exceeded" not in text:
        return text
    last = text.rpartition(": ")[2]
    if (at := last.find("Caused by")) >= 0 and (quoted := _QUOTED.findall(last, at)):
        last = quoted[-1]
    return f"no answer ({last.strip(_QUOTES)})"


def patient() -> dict[str, str]:
    """Returns the variables that make a process retry a silent server for about two minutes."""
    return {_RETRIES: _ON_THE_WAY} if _WISHED is None else {}


@contextlib.contextmanager
def patience(notify: Callable[[str], None]) -> Iterator[None]:
    """Retries a silent server for about two minutes, here and in the steps' processes, and reports it."""
    if _WISHED is None:
        os.environ[_RETRIES] = _ON_THE_WAY
    handler = _Told(notify)
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        if _WISHED is None:
            os.environ[_RETRIES] = _AT_FIRST


@contextlib.contextmanager
def last_words() -> Iterator[None]:
    """Tries once to record something on a server while an exception propagates.

    Errors are ignored: neither an artifact store, whose clients raise their own errors, nor a closed terminal
    may prevent the next record.
    """
    before = {name: os.environ.get(name) for name in _LAST_LIMITS}
    os.environ.update(_LAST_LIMITS)
    waits = WAIT_SECONDS.set(min(_LAST_SECONDS, WAIT_SECONDS.get()))
    try:
        with contextlib.suppress(Exception):
            yield
    finally:
        WAIT_SECONDS.reset(waits)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Told(logging.Handler):
    """Says that a server does not answer, once for each time that it falls silent."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._notify = notify

    def emit(self, record: logging.LogRecord) -> None:
        """Receives urllib3's log record before each retry."""
        if attempts_left(record) == int(os.environ.get(_RETRIES, _AT_FIRST)) - 1:
            server = redacted(tracking_uri())
            self._notify(f"tracking server {server} does not answer; retrying with growing pauses")
