"""What the components share: command line, MLflow run, tables. Only `tables` loads anything heavy."""
