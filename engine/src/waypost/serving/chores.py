"""Background work of a server: writing its log, and following models, tokens and certificates."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from functools import partial

from waypost.errors import UsageError
from waypost.serving.certificates import Certificate
from waypost.serving.hosting import Hosted
from waypost.serving.metrics import Monitor
from waypost.serving.prediction_log import Journal
from waypost.serving.retention import Retention, remove_outlived
from waypost.serving.roles import Roles
from waypost.serving.settings import Settings
from waypost.serving.threads import Threads, Work
from waypost.serving.tokens import Guard
from waypost.system.machine import give_memory_back

_TOKENS_SECONDS, _CLEANUP_SECONDS = 1.0, 60.0


class Chores:
    """Work that no request waits for, in one thread, so that no two chores run at once."""

    def __init__(
        self,
        settings: Settings,
        models: Roles,
        guard: Guard,
        certificate: Certificate | None,
        journal: Journal | None,
        monitor: Monitor,
        log: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._models = models
        self._guard = guard
        self._certificate = certificate
        self._journal = journal
        self._monitor = monitor
        self._log = log
        self._kept = Retention(settings.log_days, settings.log_bytes)
        self._thread = Threads(1, waiting=1, lost=1, name="chores")
        self._next_look = self._next_cleanup = 0.0
        self._models_are_gone = math.inf  # no request uses a replaced model after this time
        self._log_trouble = self._cleanup_trouble = ""

    async def follow(self) -> None:
        """Reloads changed models, tokens and certificates, and writes and cleans up the log."""
        if self._journal and self._journal.is_due():
            await self._thread.run(lambda _: self.write_log())
        if self._kept.is_bounded and time.monotonic() > self._next_cleanup:
            self._next_cleanup = time.monotonic() + _CLEANUP_SECONDS
            await self._thread.run(lambda _: self._remove_old_logs())
        for hosted in self._models.all:
            if hosted.has_changed():
                await self._thread.run(partial(self._load_again, hosted))
        if time.monotonic() > self._models_are_gone:
            self._models_are_gone = math.inf
            await self._thread.run(lambda _: _free_memory())
        if time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + _TOKENS_SECONDS
            self.follow_tokens()
            self._follow_certificate()

    def load(self) -> None:
        """Loads all models. Raises the error of one that cannot be loaded."""
        for hosted in self._models.all:
            if hosted.load():
                self._monitor.loaded()

    def _load_again(self, hosted: Hosted, _: Work[None]) -> None:
        try:
            if hosted.load():
                self._monitor.loaded()
                gone = time.monotonic() + self._settings.seconds
                self._models_are_gone = min(self._models_are_gone, gone)
        except Exception as error:  # the current model keeps answering
            hosted.note_trouble(f"{type(error).__name__}: {error}")

    def follow_tokens(self) -> None:
        try:
            if self._guard.follow():
                self._log("tokens reloaded")
        except UsageError as error:
            self._log(f"the previous tokens stay valid: {error}")

    def _follow_certificate(self) -> None:
        try:
            if self._certificate and self._certificate.follow():
                self._log("certificate reloaded for new connections")
        except UsageError as error:
            self._log(f"the previous certificate stays in use: {error}")

    def write_log(self) -> None:
        """Writes the log of predictions. Requests are answered even if the disk is full."""
        if self._journal is None:
            return
        try:
            self._journal.flush()
            self._log_trouble = ""
        except Exception as error:  # requests are answered all the same
            trouble = f"{self._settings.log}: predictions are not logged: {error}"
            if trouble != self._log_trouble:
                self._log(trouble)
            self._log_trouble = trouble
        self._monitor.logged(self._journal.written, self._journal.dropped)

    def _remove_old_logs(self) -> None:
        """Removes log files past their retention; a folder that is not writable is reported once."""
        if self._settings.log is None:
            return
        trouble = ""
        try:
            remove_outlived(self._settings.log, self._kept)
        except OSError as error:
            trouble = f"{self._settings.log}: old files are not removed: {error}"
        if trouble and trouble != self._cleanup_trouble:
            self._log(trouble)
        self._cleanup_trouble = trouble


def _free_memory() -> None:
    """Frees replaced models, including reference cycles. Modules are frozen, so it is quick."""
    gc.collect()
    give_memory_back()
