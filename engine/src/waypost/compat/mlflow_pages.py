"""Addresses of MLflow's own pages. Nobody promises them; seen in Chromium with MLflow 3.17.0 and 3.18.0.

All are relative to the place where the server shows its pages; what follows the # is for the page's script.
"""

from __future__ import annotations

from urllib.parse import quote

_AS_TRAINING = "?workflowType=machine_learning"
"""Without it, MLflow shows what it has for generative AI around the run."""


def run_address(experiment: str, run_id: str) -> str:
    """Returns the address of a run's page, empty where its experiment is not known."""
    return f"#/experiments/{quote(experiment)}/runs/{quote(run_id)}{_AS_TRAINING}" if experiment else ""


def artifact_address(experiment: str, run_id: str, path: str) -> str:
    """Returns the address of the page that shows an artifact of a run."""
    return f"#/experiments/{quote(experiment)}/runs/{quote(run_id)}/artifacts/{quote(path)}{_AS_TRAINING}"


def content_address(run_id: str, path: str) -> str:
    """Returns the address of an artifact's bytes, such as those of an image."""
    return f"get-artifact?path={quote(path)}&run_uuid={quote(run_id)}"
