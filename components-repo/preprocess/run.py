"""preprocess: clean one table by a declarative recipe."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "preprocess.clean")
