"""Models that answer whole tables: read, scored and written in parts of fixed rows."""
