"""Orders: who ordered what. A FastAPI service that asks the inventory in its own name."""
