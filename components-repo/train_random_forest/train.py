"""train_random_forest: learn, validate, explain, export."""

from __future__ import annotations

from componentkit.step import Step
from train_random_forest.model import ModelConfig, impurity_importances, new_pipeline
from training.learner import Learner
from training.trainer import train

LEARNER = Learner(
    config=ModelConfig,
    pipeline=new_pipeline,
    importances=lambda model, asked: impurity_importances(model, asked.config.features),
)


def run(step: Step) -> None:
    train(step, LEARNER)
