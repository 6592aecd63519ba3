"""The digests of an input's files, computed by a background thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Self

from waypost.batch.inputs import Listing


class Digests:
    """A context. If it ends with an error, the digests that are not computed yet are dropped, including the
    one in progress.
    """

    def __init__(self, listing: Listing) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._dropped = Event()
        is_dropped = self._dropped.is_set
        self._found = [self._pool.submit(listing.digest, source, is_dropped) for source in listing.sources]

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
