"""Adapters for frameworks; each wants its extra installed."""
