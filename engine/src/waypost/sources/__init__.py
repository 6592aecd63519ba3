"""Where content comes from: processes, git, files."""
