"""What workflows call, on any CI: checks, releases that can be gone on with, pull requests that move pins."""
