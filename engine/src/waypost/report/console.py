"""The console of all verbs: foreign text that is printed on it is text, and acts neither here nor there."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console as _Console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from waypost.texts.escaping import terminal_text

# Markup has two characters: a bracket, which opens a style or a link, and a backslash, which takes that
# back. Until it is printed, foreign text has two others in their place, of those that Unicode keeps free for
# such uses. (Rich's own escape puts backslashes, which some that are there already take back.)
_HELD = {"[": "\ufdd0", "\\": "\ufdd1"}
_HOLD = str.maketrans(_HELD)
_RELEASE = str.maketrans({held: character for character, held in _HELD.items()})


def escape(text: str) -> str:
    """Returns foreign text as markup that shows it as it is, on the console of this module."""
    return terminal_text(text).translate(_HOLD)  # here too: Rich drops some characters without a sign


class Console(_Console):
    """A console that shows control characters in texts as signs; styles of our own stay.

    Logs, names and messages come from strangers: every text passes here, so that no verb can forget it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Gives the segments of whatever is printed."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else terminal_text(text).translate(_RELEASE), style, control)


def python_console() -> Console:
    """Returns the console of calls from Python: plain lines wherever stdout is not the process's own.

    A notebook's stdout says that it is a terminal, but no cursor moves there; and Rich would give each line a
    display of its own.
    """
    is_own = sys.stdout is sys.__stdout__
    return Console(file=sys.stdout, force_jupyter=False, force_terminal=None if is_own else False)
