"""Interfaces of components, pipelines and packages: kept in records, compared for semantic versions."""
