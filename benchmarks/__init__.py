"""Measurements: CPU time per operation, and ratios against a bare floor in the same run."""
