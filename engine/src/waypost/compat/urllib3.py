"""urllib3's log: MLflow asks a silent server again by it, and tells nobody.

Seen with urllib3 2.8: `Retrying (%r) after connection broken by '%r': %s`, whose first argument is the Retry
with what is left of the attempts.
"""

from __future__ import annotations

import logging

LOGGER = "urllib3.connectionpool"


def attempts_left(record: logging.LogRecord) -> int | None:
    """Returns how many attempts are left when one has failed, None for every other word of urllib3."""
    retry = record.args[0] if isinstance(record.args, tuple) and record.args else None
    left = getattr(retry, "total", None)
    return left if isinstance(left, int) else None
