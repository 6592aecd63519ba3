"""Versions of components: locked, fetched, verified, updated."""
