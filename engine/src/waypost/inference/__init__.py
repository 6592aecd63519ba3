"""Models and their answers: input columns, compiled form, its proof, and the original."""
