"""Builders of things: all of a thing is given, and a test says only what matters to it.

Ids are random, so that two of a kind never meet by accident.
"""

import hashlib
import secrets
from typing import Any, Final

from watchword.protocol import base64url
from watchword.protocol.authentication_class import ACR_PASSWORD
from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api
from watchword.server.domain.client import Client
from watchword.server.domain.consent import Consent
from watchword.server.domain.delivery import Delivery
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.identifiers import username_key
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.lifetimes import DAY
from watchword.server.domain.one_time_link import OneTimeLink
from watchword.server.domain.passkey import Passkey
from watchword.server.domain.pushed_request import PushedRequest
from watchword.server.domain.session import Authentication, Session
from watchword.server.domain.throttle import Bucket
from watchword.server.domain.totp import Totp
from watchword.server.domain.user import User

NOW: Final = 1_800_000_000.0
AUDIENCE: Final = "https://orders.example"


def new_id() -> str:
    """A random id, as of a user, session or grant."""
    return base64url.encode(secrets.token_bytes(16))


def a_user(name: str | None = None, **changes: Any) -> User:
    """An enabled user."""
    name = name or f"user-{secrets.token_hex(6)}"
    given: dict[str, Any] = {
        "sub": new_id(),
        "username": name,
        "username_key": username_key(name),
        "created_at": NOW,
        "password_hash": "$argon2id$not-a-real-one",
    }
    return User(**given | changes)


def a_client(client_id: str | None = None, **changes: Any) -> Client:
    """A public client with refresh tokens."""
    given: dict[str, Any] = {
        "client_id": client_id or f"app-{secrets.token_hex(4)}",
        "type": "public",
        "auth_method": "none",
        "created_at": NOW,
        "grant_types": frozenset({"authorization_code", "refresh_token"}),
        "redirect_uris": ("https://app.example/callback",),
        "scope": Scope.parse("openid orders:read"),
        "apis": (AUDIENCE,),
    }
    return Client(**given | changes)


def a_confidential_client(client_id: str | None = None, *, secret: str = "a secret of tests", **changes: Any) -> Client:
    """A confidential client whose secret is ``secret``."""
    given: dict[str, Any] = {
        "type": "confidential",
        "auth_method": "client_secret_basic",
        "secret_hash": hashlib.sha256(secret.encode()).digest(),
        "grant_types": frozenset({"client_credentials", "refresh_token"}),
    }
    return a_client(client_id, **given | changes)


def an_api(audience: str = AUDIENCE, **changes: Any) -> Api:
    """An API with two scopes."""
    given: dict[str, Any] = {"audience": audience, "scope": Scope.parse("orders:read orders:write")}
    return Api(**given | changes)


def a_session(user: User | None = None, **changes: Any) -> Session:
    """A session of ``user``, born with his epoch."""
    user = user or a_user()
    given: dict[str, Any] = {
        "sid": new_id(),
        "sub": user.sub,
        "epoch": user.epoch,
        "auth_time": int(NOW),
        "acr": ACR_PASSWORD,
        "amr": ("pwd",),
        "device": "Firefox on Linux",
        "created_at": NOW,
        "expires_at": NOW + 90 * DAY,
    }
    return Session(**given | changes)


def a_browser_session(user: User | None = None, **changes: Any) -> Session:
    """A session that a browser holds by a cookie."""
    given: dict[str, Any] = {
        "cookie_hash": secrets.token_bytes(32),
        "idle": 1 * DAY,
        "last_seen_at": NOW,
        "expires_at": NOW + 14 * DAY,
    }
    return a_session(user, **given | changes)


def a_consent(user: User | None = None, client: Client | None = None, **changes: Any) -> Consent:
    """What ``user`` allowed ``client``."""
    given: dict[str, Any] = {
        "sub": (user or a_user()).sub,
        "client_id": client.client_id if client else "app-of-nobody",
        "scope": Scope.parse("openid orders:read"),
        "audiences": (AUDIENCE,),
        "granted_at": NOW,
    }
    return Consent(**given | changes)


def a_pushed_request(client: Client | None = None, **changes: Any) -> PushedRequest:
    """A pushed authorization request that waits for the browser."""
    given: dict[str, Any] = {
        "handle_hash": secrets.token_bytes(32),
        "client_id": client.client_id if client else "app-of-nobody",
        "parameters": (("response_type", "code"), ("scope", "openid")),
        "expires_at": NOW + 90,
    }
    return PushedRequest(**given | changes)


def a_delivery(**changes: Any) -> Delivery:
    """A delivery that is due."""
    given: dict[str, Any] = {
        "id": new_id(),
        "kind": "backchannel_logout",
        "target": "https://app.example/back-channel",
        "content": {"client_id": "app", "sub": new_id()},
        "due_at": NOW,
        "expires_at": NOW + 1 * DAY,
    }
    return Delivery(**given | changes)


def a_passkey(user: User, **changes: Any) -> Passkey:
    """A passkey that is copied between devices."""
    given: dict[str, Any] = {
        "credential_id": secrets.token_bytes(32),
        "sub": user.sub,
        "public_key": b"cose",
        "sign_count": 0,
        "backup_eligible": True,
        "backed_up": False,
        "transports": ("internal",),
        "name": "Phone",
        "created_at": NOW,
    }
    return Passkey(**given | changes)


def a_totp(user: User, **changes: Any) -> Totp:
    """An authenticator app; its seed is of no use."""
    return Totp(**{"sub": user.sub, "sealed": b"sealed", "last_step": 7, "created_at": NOW, **changes})


def a_link(user: User, **changes: Any) -> OneTimeLink:
    """A link that resets a password."""
    given: dict[str, Any] = {
        "id": secrets.token_bytes(16),
        "purpose": "reset_password",
        "sub": user.sub,
        "email": "ada@example.org",
        "epoch": user.epoch,
        "expires_at": NOW + 30 * 60,
    }
    return OneTimeLink(**given | changes)


def a_grant(session: Session | None = None, client: Client | None = None, **changes: Any) -> Grant:
    """A grant of ``session`` to ``client``, never refreshed yet."""
    session = session or a_session()
    given: dict[str, Any] = {
        "id": secrets.token_bytes(16),
        "gid": new_id(),
        "sid": session.sid,
        "sub": session.sub,
        "client_id": client.client_id if client else "app-of-nobody",
        "scope": Scope.parse("openid orders:read"),
        "audiences": (AUDIENCE,),
        "created_at": NOW,
        "last_used_at": NOW,
        "idle": 14 * DAY,
        "absolute_end": NOW + 90 * DAY,
        "auth_time": session.auth_time,
        "acr": session.acr,
        "amr": session.amr,
    }
    return Grant(**given | changes)


def a_standing(**changes: Any) -> Standing:
    """What a living grant stands on."""
    given: dict[str, Any] = {
        "user_enabled": True,
        "user_epoch": 0,
        "user_roles": frozenset(),
        "session_epoch": 0,
        "session_ended_reason": None,
        "client_enabled": True,
    }
    return Standing(**given | changes)


def an_authentication(user: User | None = None, **changes: Any) -> Authentication:
    """A sign-in by password."""
    user = user or a_user()
    given: dict[str, Any] = {
        "sub": user.sub,
        "epoch": user.epoch,
        "auth_time": int(NOW),
        "acr": ACR_PASSWORD,
        "amr": ("pwd",),
    }
    return Authentication(**given | changes)


def a_code(user: User | None = None, client: Client | None = None, **changes: Any) -> AuthorizationCode:
    """An authorization code that waits for its redemption."""
    given: dict[str, Any] = {
        "code_hash": secrets.token_bytes(32),
        "client_id": client.client_id if client else "app-of-nobody",
        "authentication": an_authentication(user),
        "scope": Scope.parse("openid orders:read"),
        "audiences": (AUDIENCE,),
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "expires_at": NOW + 60,
        "device": "Firefox on Linux",
    }
    return AuthorizationCode(**given | changes)


def a_key(kid: str | None = None, **changes: Any) -> RingKey:
    """A row of the key ring; its key cannot sign."""
    given: dict[str, Any] = {
        "kid": kid or new_id(),
        "alg": "ES256",
        "state": "next",
        "public_jwk": '{"kty":"EC","crv":"P-256","x":"","y":""}',
        "sealed": b"sealed",
        "created_at": NOW,
        "since": NOW,
    }
    return RingKey(**given | changes)


def a_bucket(key: bytes | None = None, **changes: Any) -> Bucket:
    """A throttle bucket with a failure in it."""
    given: dict[str, Any] = {"key": key or secrets.token_bytes(16), "failures": 1, "until": NOW + 3600}
    return Bucket(**given | changes)
