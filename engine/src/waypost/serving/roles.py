"""The models of a server: the main one, a canary that answers a share, a shadow that is only compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waypost.errors import UsageError
from waypost.serving.answering import MAIN, Served
from waypost.serving.hosting import Hosted
from waypost.serving.sampling import point
from waypost.serving.settings import Settings

CANARY, SHADOW = "canary", "shadow"
_SHARE = re.compile(r"(.+)=(\d+(?:\.\d+)?)(%?)")


def parse_other(text: str, option: str, share: float | None) -> tuple[str, float]:
    """Returns (model, share) of `MODEL=5%` or `MODEL=0.05`; the default share if it has none. Raises
    UsageError for an invalid share, or without any share.
    """
    hit = _SHARE.fullmatch(text)
    if hit is None:
        if share is None:
            raise UsageError(
                f"{option} {text}: the share of the requests is missing", hint=f"{option} {text}=5%"
            )
        return text, share
    found = float(hit[2]) / (100 if hit[3] else 1)
    if not 0 < found <= 1:
        raise UsageError(
            f"{option} {text}: a share is above 0 and at most 100%", hint=f"{option} {hit[1]}=5%"
        )
    return hit[1], found


class Roles:
    """The current models. A request's ID decides which one answers, the same in each worker."""

    def __init__(self, settings: Settings, notify: Callable[[str], None], *, needs_token: bool) -> None:
        def hosted(state: Path, role: str) -> Hosted:
            return Hosted(
                state,
                notify,
                role=role,
                needs_token=needs_token,
                is_logged=settings.log is not None,
                seconds=settings.seconds,
            )

        self.main = hosted(settings.state, MAIN)
        self.canary = hosted(settings.canary.state, CANARY) if settings.canary else None
        self.shadow = hosted(settings.shadow.state, SHADOW) if settings.shadow else None
        self.all = [one for one in (self.main, self.canary, self.shadow) if one is not None]
        self._shares = {CANARY: settings.canary, SHADOW: settings.shadow}
        self.is_one = len(self.all) == 1

    def chosen(self, request: str) -> Served:
        """Returns the model that answers a request."""
        if self.canary is not None and self._is_within(request, CANARY):
            return self.canary.now
        return self.main.now

    def shadowed(self, request: str) -> Served | None:
        """Returns the shadow if it is sampled for a request, else None."""
        return self.shadow.now if self.shadow is not None and self._is_within(request, SHADOW) else None

    def _is_within(self, request: str, role: str) -> bool:
        other = self._shares[role]
        return other is not None and point(request, role.encode()) < other.share

    def facts(self) -> dict[str, Any]:
        """Returns the facts of the models besides the main one."""
        return {
            hosted.role: {**hosted.now.facts, "share": other.share}
            for hosted in self.all
            if (other := self._shares.get(hosted.role)) is not None
        }
