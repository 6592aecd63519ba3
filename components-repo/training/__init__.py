"""What all trainers share: features, tasks, folds, thresholds, the model's metadata, and the run itself."""
