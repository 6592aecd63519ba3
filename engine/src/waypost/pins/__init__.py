"""Versions of components: locked, fetched, checked, moved."""
