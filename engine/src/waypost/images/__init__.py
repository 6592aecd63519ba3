"""Container images of single models: a folder with everything that a build needs."""
