"""Foreign text as values: YAML and JSON within limits, secrets sealed, schemas. Pure, and knows no file by name."""
