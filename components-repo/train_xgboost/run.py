"""train_xgboost: learn, validate, explain, export."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "train_xgboost.train")
