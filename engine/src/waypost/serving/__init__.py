"""Serving: MLflow's scoring protocol over HTTP, metrics, and the log of predictions."""
