"""Who implements the ports, the database aside."""
