"""One set of statements for two databases."""
