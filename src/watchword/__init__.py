"""Watchword: the token authority for microservices.

Three products share this package: ``watchword.server`` (the authorization server), ``watchword.resource``
(verifies access tokens inside your services) and ``watchword.client`` (holds and renews tokens).
"""

__version__ = "0.1.0"
