"""The rules: pure functions over frozen dataclasses. No I/O, no clock, no chance."""
