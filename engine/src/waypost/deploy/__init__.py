"""From a model to an answer: compiled, proved equal, served, scored."""
