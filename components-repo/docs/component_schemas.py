"""Writes the JSON Schemas of the YAML that components take, from their pydantic models (`make docs`)."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
MODELS = {
    "check_data/checks.schema.json": "check_data.rules:Checks",
    "preprocess/recipe.schema.json": "preprocess.clean:Recipe",
    "train_gradient_boosting/model.schema.json": "train_gradient_boosting.model:ModelConfig",
    "train_lightgbm/model.schema.json": "train_lightgbm.model:ModelConfig",
    "train_linear/model.schema.json": "train_linear.model:ModelConfig",
    "train_random_forest/model.schema.json": "train_random_forest.model:ModelConfig",
    "train_xgboost/model.schema.json": "train_xgboost.model:ModelConfig",
}


def schema_text(model: str) -> str:
    """Returns the schema of MODULE:CLASS, as its file has it."""
    module, _, name = model.partition(":")
    schema = getattr(importlib.import_module(module), name).model_json_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file, model in MODELS.items():
        (LIBRARY / file).write_text(schema_text(model), encoding="utf-8")
