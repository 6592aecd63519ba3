"""segregate: one table into a training and a test table."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "segregate.split")
