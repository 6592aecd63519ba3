"""From a folder to a finished run: plan, environments, steps."""
