"""Container images of single models: a folder with all that a build needs."""
