"""What the components of this repository share: command line, MLflow run, tables in and out.

Importing any of it loads nothing heavy, except for `tables`.
"""
