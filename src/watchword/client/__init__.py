"""The client library: holds tokens and renews them silently."""
