"""The only door to the tracking server."""
