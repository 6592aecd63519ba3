"""How often a run that waits for another run's result polls."""

from __future__ import annotations

_PAUSE_PER_ASKING, _LONGEST_PAUSE_SECONDS = 20.0, 15.0


def pause_after(asking: float, jitter: float) -> float:
    """Returns the pause in seconds before a run that waits for another's result polls again.

    `asking` is the duration of the last request: each waiting run takes at most a twentieth of the server's
    time. `jitter`, between 0.5 and 1.5, keeps twenty runs from polling at the same moment.
    """
    return max(1.0, min(_PAUSE_PER_ASKING * asking, _LONGEST_PAUSE_SECONDS)) * jitter
