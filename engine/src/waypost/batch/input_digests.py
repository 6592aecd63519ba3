"""The digests of an input's files, computed by a background thread."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Self

from waypost.batch.inputs import InputFile, Listing


class Digests:
    """A context. If it ends with an error, the digests that are not computed yet are dropped, including the
    one in progress.
    """

    def __init__(self, listing: Listing) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._dropped = Event()
        self._listing = listing
        self._found = [self._started(source) for source in listing.sources]

    def _started(self, source: InputFile) -> Future[str]:
        return self._pool.submit(self._listing.digest, source, self._dropped.is_set)

    def renew(self) -> None:
        """Computes the digests of files again that have changed since they were listed: their rows are read
        after this call.
        """
        for number, source in enumerate(self._listing.sources):
            if self._listing.has_changed(source):
                self._found[number] = self._started(source)

    def of(self, number: int) -> str:
        """Returns a file's digest, waiting for it. Raises WaypostError if the file cannot be read."""
        return self._found[number].result()

    def known(self, number: int) -> str:
        """Returns a file's digest, empty if it is not computed yet."""
        future = self._found[number]
        return future.result() if future.done() and not future.exception() else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind:
            self._dropped.set()
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
