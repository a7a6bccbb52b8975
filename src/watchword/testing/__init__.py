"""For our users' tests: an issuer without a server, a clock that obeys, a pytest plugin."""
