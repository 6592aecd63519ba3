"""check_data: declared rules, drift against a reference, tests of the user; all failures at once."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "check_data.check")
