"""download: one file from any fsspec URL, streamed, retried, resumed, verified."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from componentkit.arguments import ComponentError
from componentkit.step import Step, content_digest

CHUNK = 1 << 20
REPORT_SECONDS = 5.0
PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, ImportError)
TRY_AGAIN = {408, 425, 429}


class ContentError(ComponentError):
    """The file is not the one that was asked for. Exit code 4, so that callers can tell."""

    code = 4


def redact(url: str) -> str:
    """Returns the URL without user, password and query: signed URLs carry secrets there."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_name(url: str) -> str:
    """Returns the last part of the URL's path, `data` where there is none."""
    return PurePosixPath(unquote(urlsplit(url).path)).name or "data"


def fetch(url: str, target: Path, *, retries: int, pause: float = 1.0) -> None:
    """Streams `url` into `target`; after a failure goes on where it stopped, if the server allows.

    Waits pause, 2*pause, 4*pause … seconds between tries, 60 at most. Raises ComponentError when
    the tries are used up, or at once when trying again cannot help.
    """
    for attempt in range(retries + 1):
        try:
            _transfer(url, target)
        except Exception as error:  # every fsspec backend has exceptions of its own
            if _is_permanent(error):
                raise ComponentError(f"{redact(url)}: {_reason(error, url)}") from error
            if attempt == retries:
                raise ComponentError(
                    f"{redact(url)}: gave up after {attempt + 1} tries: {_reason(error, url)}"
                ) from error
            wait = min(pause * 2**attempt, 60)
            print(f"transfer broke off ({_reason(error, url)}); trying again in {wait:g} s")
            time.sleep(wait)
        else:
            return


def verify(path: Path, sha256: str, url: str) -> None:
    """Raises ContentError with both digests where the file is not what was asked for."""
    found = content_digest(path)
    if sha256 and found != sha256.lower():
        raise ContentError(
            f"{redact(url)}: the content is not what was asked for:"
            f" sha256 expected {sha256.lower()}, found {found}"
        )


def _transfer(url: str, target: Path) -> None:
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(url)
    total = _size(filesystem, path)
    with target.open("ab") as sink, _opened(filesystem, path, sink.tell()) as source:
        said = time.monotonic()
        while chunk := _read(source, sink):
            sink.write(chunk)
            if time.monotonic() - said > REPORT_SECONDS:
                said = time.monotonic()
                print(f"{sink.tell() / 1e6:,.1f} MB of {(total or 0) / 1e6:,.1f} MB", flush=True)
        if total is not None and sink.tell() != total:
            raise OSError(f"{sink.tell():,} bytes of {total:,} arrived")


def _opened(filesystem: Any, path: str, offset: int) -> Any:
    if not offset:  # HTTP: one request for the whole file instead of one per block
        streams = {"block_size": 0} if "http" in filesystem.protocol else {}
        return filesystem.open(path, "rb", **streams)
    source = filesystem.open(path, "rb")
    source.seek(offset)
    return source


def _read(source: Any, sink: Any) -> bytes:
    try:
        chunk: bytes = source.read(CHUNK)
    except ValueError as error:  # fsspec's word for a server without range requests
        sink.truncate(0)
        raise OSError("the server cannot resume; starting anew") from error
    return chunk


def _size(filesystem: Any, path: str) -> int | None:
    """Returns the size that the server tells for the file, if it tells one that can be compared."""
    info = filesystem.info(path)
    if info.get("type") == "directory":
        raise IsADirectoryError(f"{path} is a folder")
    size = info.get("size")
    return int(size) if size is not None else None


def _status(error: BaseException | None) -> int:
    """Returns the HTTP status behind an error, 0 where there is none."""
    while error is not None:
        if isinstance(status := getattr(error, "status", None), int):
            return status
        error = error.__cause__ or error.__context__
    return 0


def _is_permanent(error: Exception) -> bool:
    # fsspec reports every failure of a HEAD request as FileNotFoundError, so look behind it.
    if status := _status(error):
        return 400 <= status < 500 and status not in TRY_AGAIN
    refused = isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, PERMANENT)
    return isinstance(error, PERMANENT) and not refused


def _reason(error: Exception, url: str) -> str:
    if status := _status(error):
        return f"the server answers {status}"
    text = " ".join(str(error).split()).replace(url, redact(url))
    return text or type(error).__name__


def run(step: Step) -> None:
    url, sha256 = step.args.url, step.args.sha256.strip()
    if sha256 and (len(sha256) != hashlib.sha256().digest_size * 2):
        raise ComponentError(f"sha256: {sha256!r} has {len(sha256)} characters, not 64")
    started = time.monotonic()
    with step.output("data") as folder:
        folder.mkdir()
        target = folder / file_name(url)
        fetch(url, target, retries=step.args.retries)
        verify(target, sha256, url)
        step.log_input("url", target, source=redact(url))
        size = target.stat().st_size
        step.metrics({"bytes": size, "seconds": time.monotonic() - started})
