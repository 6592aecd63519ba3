"""Foreign text as values: YAML and JSON within limits, secrets, schemas. Pure, and independent of particular
files.
"""
