"""The machine: processes, signals, temporary folders, SQLite files."""
