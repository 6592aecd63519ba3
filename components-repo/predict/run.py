"""predict: the answers of a model for each row of a table."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "predict.answers")
