"""The digests of an input's files, found by a thread beside whatever else is done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from waypost.batch.inputs import Listing


class Digests:
    """A context; what is not found by its end is given up."""

    def __init__(self, listing: Listing) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._found = [self._pool.submit(listing.digest, source) for source in listing.sources]

    def of(self, number: int) -> str:
        """Returns a file's digest, once it is found. Raises WaypostError if it cannot be read."""
        return self._found[number].result()

    def known(self, number: int) -> str:
        """Returns a file's digest, nothing where it is not found yet."""
        future = self._found[number]
        return future.result() if future.done() and not future.exception() else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
