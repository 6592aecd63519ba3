"""Tags of runs that the engine searches by."""

from __future__ import annotations

PIPELINE_TAG = "waypost.pipeline"
STEP_TAG = "waypost.step"
KEY_TAG = "waypost.step_key"
INPUT_TAG = "waypost.input"
PARENT_TAG = "mlflow.parentRunId"
SWEEP_TAG = "waypost.sweep"
