"""Puts the repository's root on the path, as `PYTHONPATH=..` does for a running component."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
