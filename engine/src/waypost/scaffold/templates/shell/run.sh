#!/bin/sh
# The arguments are those of the command in MLproject; MLFLOW_RUN_ID is the run that MLflow opened.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sh count.sh "$1" "$2" > "$folder/counts.csv"
mlflow artifacts log-artifact --run-id "$MLFLOW_RUN_ID" --local-file "$folder/counts.csv"
