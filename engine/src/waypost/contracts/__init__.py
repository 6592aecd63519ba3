"""The contents of files as values, and the decisions made from them. Pure: no input, no output."""
