"""train_xgboost: learn until the validation rows say stop, explain, export."""

from __future__ import annotations

from componentkit.step import Step
from train_xgboost.model import (
    PACKAGES,
    TRUSTED,
    ModelConfig,
    doubts,
    new_pipeline,
    quantile_of,
    row_weights,
    settled,
    stopped,
    trees_of,
)
from training.learner import Learner
from training.trainer import train

LEARNER = Learner(
    config=ModelConfig,
    pipeline=new_pipeline,
    stops=lambda config: bool(config.early_stopping),
    stopping=stopped,
    settled=settled,
    doubts=doubts,
    figures=lambda model: {"trees": trees_of(model)},
    says=quantile_of,
    trusted=TRUSTED,
    packages=PACKAGES,
    weights=row_weights,
)


def run(step: Step) -> None:
    train(step, LEARNER)
