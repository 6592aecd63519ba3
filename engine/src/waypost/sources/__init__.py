"""Where content comes from: git repositories, the store, files."""
