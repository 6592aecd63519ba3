"""Waypost: MLflow pipelines of versioned components, run, released, reproduced and deployed."""

__version__ = "1.0.0"
