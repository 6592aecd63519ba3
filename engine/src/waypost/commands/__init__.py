"""One verb a file: its options, one call into the core, what is shown, the exit code."""
