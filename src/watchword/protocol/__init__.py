"""The wire: words shared by server, resource and client. Pure; no I/O, no clock, no chance."""
