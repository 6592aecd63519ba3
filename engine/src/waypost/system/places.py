"""Where Waypost keeps data that it can recreate."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Returns the folder for data that can be recreated: `WAYPOST_HOME` or the user's cache."""
    if given := os.environ.get("WAYPOST_HOME"):
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_cache_dir("waypost"))
