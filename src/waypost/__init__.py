"""Waypost: MLflow pipelines of versioned components, run, released, reproduced and deployed."""

__version__ = "0.1.0"
