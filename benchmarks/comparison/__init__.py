"""What other tools say about the hazards of the rules: run, counted and written to docs/comparison.md."""
