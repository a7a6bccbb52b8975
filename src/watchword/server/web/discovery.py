"""Discovery: what this issuer offers. Only what works is listed.

Implements: RFC 8414 §2, §3; OpenID Connect Discovery 1.0 §3, §4; OpenID Connect Back-Channel Logout 1.0 §2.1.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from watchword.protocol.id_token import DEFAULT_ALG
from watchword.protocol.pkce import METHOD
from watchword.protocol.strict_json import render_object
from watchword.server.domain.client import AUTH_METHODS
from watchword.server.flows.factors import classes_here
from watchword.server.flows.token import GRANT_FLOWS
from watchword.server.web.context import Web
from watchword.server.web.rendering import document

_WITH_SECRET = [method for method in AUTH_METHODS if method != "none"]


async def discovery(web: Web, _: Request) -> Response:
    """``GET`` of both well-known documents; they say the same. From memory, also while the database is away."""
    return document(render_object(metadata(web.parts.issuer, classes=classes_here(web.parts))))


def metadata(issuer: str, *, classes: tuple[str, ...]) -> dict[str, Any]:
    """The metadata of ``issuer``. ``classes``: of sign-in, that users can have there."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "token_endpoint": f"{issuer}/token",
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": _WITH_SECRET,
        "userinfo_endpoint": f"{issuer}/userinfo",
        "authorization_challenge_endpoint": f"{issuer}/authorize-challenge",
        "revocation_feed_endpoint": f"{issuer}/revocations",
        "grant_types_supported": list(GRANT_FLOWS),
        "authorization_endpoint": f"{issuer}/authorize",
        "authorization_response_iss_parameter_supported": True,
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "end_session_endpoint": f"{issuer}/end_session",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "acr_values_supported": list(classes),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "code_challenge_methods_supported": [METHOD],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [DEFAULT_ALG],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "at_hash"),
            *("preferred_username", "email", "email_verified"),
        ],
    }
