"""Foreign text as values: YAML and JSON within limits, secrets, schemas. Pure, and knows no file by name."""
