"""train_linear: learn, validate, explain, export."""

from __future__ import annotations

from componentkit.step import Step
from train_linear.model import ModelConfig, coefficients, doubts, new_pipeline
from training.learner import Learner
from training.trainer import train

LEARNER = Learner(
    config=ModelConfig,
    pipeline=new_pipeline,
    importances=lambda model, asked: coefficients(model, asked.config.features),
    doubts=doubts,
)


def run(step: Step) -> None:
    train(step, LEARNER)
