"""The demonstration: ``make demo`` tells the story of a token from sign-in to sign-out, with real programs."""
