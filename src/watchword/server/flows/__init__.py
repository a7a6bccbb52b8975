"""The work: load, decide, write, answer; one transaction each."""
