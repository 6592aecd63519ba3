"""Where Waypost keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Returns the folder for everything that can be made again: `WAYPOST_HOME` or the cache."""
    if given := os.environ.get("WAYPOST_HOME"):
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_cache_dir("waypost"))
