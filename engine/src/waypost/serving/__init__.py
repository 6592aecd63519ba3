"""Models that answer requests: MLflow's scoring protocol over HTTP, metrics, the log of predictions."""
