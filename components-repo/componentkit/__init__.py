"""What the components of this repository share: command line, MLflow run, tables in and out.

`arguments` imports nothing heavy, so that `run.py --help` answers at once.
"""
