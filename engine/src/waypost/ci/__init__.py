"""Verbs for CI on any service: checks, resumable releases, pull requests that update pins."""
