"""The machine: processes, signals, temporary folders, databases of files."""
