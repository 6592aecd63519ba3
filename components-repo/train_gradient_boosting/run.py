"""train_gradient_boosting: learn, validate, explain, export."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "train_gradient_boosting.train")
