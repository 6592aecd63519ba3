"""From a model to an answer: what it asks for, its compiled form, the proof of that, the original."""
