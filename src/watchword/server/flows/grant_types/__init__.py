"""One flow file per grant type, mirroring domain/grant_types."""
