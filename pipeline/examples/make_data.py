"""Writes scikit-learn's bundled data sets as parquet: `make examples` (the files are committed)."""

from pathlib import Path

from sklearn import datasets

for name in ("breast_cancer", "wine", "digits"):
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    table = bunch.frame.rename(columns=lambda column: column.replace(" ", "_"))
    if name != "digits":  # words instead of numbers, so that plots can be read
        table["target"] = [str(bunch.target_names[i]) for i in table["target"]]
    table.to_parquet(Path(__file__).with_name("data") / f"{name}.parquet", index=False, compression="zstd")
