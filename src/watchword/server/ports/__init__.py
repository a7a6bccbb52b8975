"""The sockets: Protocols that flows need. Who implements them lives in storage and adapters."""
