"""The authorization server: signs in, issues, refreshes, revokes."""
