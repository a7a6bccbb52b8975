"""What operators do: the flows behind the commands."""
