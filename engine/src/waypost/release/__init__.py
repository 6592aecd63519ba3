"""Releases: cut, compared, run from their tag, reproduced."""
