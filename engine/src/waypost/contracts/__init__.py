"""The contents of files as values, and the decisions based on them. Pure: no input or output."""
