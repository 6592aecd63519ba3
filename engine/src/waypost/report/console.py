"""The console of all verbs: what is printed on it cannot act on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console as _Console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from waypost.contracts.escaping import terminal_text


class Console(_Console):
    """A console that shows control characters in texts as signs; styles of our own stay.

    Logs, names and messages come from strangers: every text passes here, so that no verb can forget it.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Gives the segments of whatever is printed."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else terminal_text(text), style, control)
