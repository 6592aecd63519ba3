"""The model that serving and scoring are measured with: 100 trees, 15 classes, numbers, categories, text.

The table is the loans of the reference pipeline, the options of its forest are the pipeline's; the classes
are the loans' interest rates, cut into 15 equal parts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from mlflow.models import infer_signature

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "components-repo"))
CLASSES, TREES, LEARN = 15, 100, 7000


def make(place: Path) -> None:
    """Writes place/model (MLflow, skops), place/model.joblib, place/row.json, and the tables: one million
    rows as CSV and parquet, ten million as parquet.
    """
    from train_random_forest.model import TRUSTED_TYPES, ModelConfig, feature_table, pipeline_for

    params: dict[str, Any] = yaml.safe_load((ROOT / "pipeline" / "params.yaml").read_text())
    table = pd.read_parquet(ROOT / "pipeline" / "data" / "loans_full_schema.parquet")
    table["application"] = table["emp_title"].fillna("") + " " + table["loan_purpose"].fillna("")
    config = ModelConfig.model_validate(
        {
            "features": params["features"],
            "encode": params["train"]["encode"],
            "text": params["train"]["text"],
            "forest": {**params["model"], "n_estimators": TREES},
        }
    )
    features = feature_table(table, config.features)
    names = [f"R{i:02}" for i in range(CLASSES)]
    labels = pd.qcut(table["interest_rate"].rank(method="first"), CLASSES, labels=names)
    model = pipeline_for(config, seed=0, jobs=2).fit(features[:LEARN], labels.astype(str).to_numpy()[:LEARN])
    model.named_steps["forest"].n_jobs = 1
    predicted = pd.Series(model.predict(features.head(50)), name="rate")
    mlflow.sklearn.save_model(
        model,
        str(place / "model"),
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        signature=infer_signature(features, predicted),
        input_example=features.head(3),
        pip_requirements=[],
    )
    joblib.dump(model, place / "model.joblib")
    (place / "row.json").write_text(features.head(1).to_json(orient="split", double_precision=15))
    parts = [features.sample(frac=1, random_state=seed) for seed in range(100)]
    million = pd.concat(parts, ignore_index=True)
    million.insert(0, "id", range(len(million)))
    million.to_csv(place / "1.csv", index=False)
    million.to_parquet(place / "1.parquet", row_group_size=100_000)
    rows = pa.Table.from_pandas(million)
    with pq.ParquetWriter(place / "10.parquet", rows.schema) as writer:
        for _ in range(10):
            writer.write_table(rows, row_group_size=100_000)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
