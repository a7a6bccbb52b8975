"""The resource library: verifies access tokens locally."""
