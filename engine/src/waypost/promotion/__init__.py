"""From a run to a registered model: gate, card, aliases, and drift since."""
