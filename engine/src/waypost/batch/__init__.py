"""Batch scoring: tables are read, scored and written in parts of a fixed number of rows."""
