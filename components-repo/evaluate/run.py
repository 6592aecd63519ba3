"""evaluate: a classifier on a held-out table; metrics, curves, slices, predictions, thresholds."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "evaluate.measure")
