"""Inventory: what is in stock. A plain Starlette service that other programs and people ask."""
