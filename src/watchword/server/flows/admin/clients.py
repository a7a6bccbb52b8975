"""Clients, as an operator registers and keeps them.

Implements: RFC 6749 §2, §2.3.1; RFC 7591 §2 (metadata); RFC 9700 §2.1 (exact redirect URIs), §2.1.1 (PKCE);
    OpenID Connect RP-Initiated Logout 1.0 §3.1; OpenID Connect Back-Channel Logout 1.0 §2.2.
"""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import Final

from watchword.protocol import base64url
from watchword.protocol.redirect_uri import parse_backchannel_logout_uri, parse_origin, parse_redirect_uri
from watchword.protocol.scope import OPENID_SCOPES, Scope
from watchword.server.domain import revocation
from watchword.server.domain.api import Catalog
from watchword.server.domain.audit import Administered
from watchword.server.domain.client import AuthMethod, Client, ClientType, GrantType, Reuse
from watchword.server.domain.identifiers import parse_client_id, parse_client_name
from watchword.server.domain.lifetimes import ProfileName
from watchword.server.domain.time import Instant
from watchword.server.flows.admin.refusal import Refused, listing
from watchword.server.flows.parts import Parts
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.ports.transaction import Writing

_SECRET_BYTES: Final = 32
_GRANTS_AT_ONCE: Final = 200
_SIGN_IN: Final[frozenset[GrantType]] = frozenset({"authorization_code", "refresh_token"})
_FOR_ITSELF: Final[frozenset[GrantType]] = frozenset({"client_credentials"})
# Remembered past a deletion: a new client of the same id must not be given tokens that the cut declares dead.
_CUT: Final = "client.cut."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """A client as an operator describes one; None and empty leave the choice to ``create``."""

    client_id: str
    type: ClientType | None = None
    auth_method: AuthMethod | None = None
    grant_types: tuple[GrantType, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    origins: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()
    serves: str | None = None
    first_party: bool = False
    name: str | None = None
    requires_pkce: bool = True
    reuse: Reuse = "balanced"
    lifetime: ProfileName | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A client, and its secret if it was given one: this is the only time that anybody sees it."""

    client: Client
    secret: str | None

    def __repr__(self) -> str:
        return f"Registered({self.client!r})"


async def create(parts: Parts, wanted: NewClient) -> Registered:
    """Register a client.

    It is public unless something says otherwise: a secret's method, ``client_credentials``, or that it serves an API.
    A client that users sign in to gets ``authorization_code`` and ``refresh_token``, another confidential one
    ``client_credentials``, and one that only serves an API none. Without ``apis`` they are those that own the scopes.

    Raises:
        Refused: what is wanted will not do, names what does not exist, or the id is taken.
    """
    now = parts.clock.now()
    kind = _type_of(wanted)
    secret = None if kind == "public" else _draw_secret(parts)
    try:
        async with parts.storage.write() as tx:
            not_before = float(await tx.meta(_CUT + wanted.client_id) or 0)
            client = _build(wanted, kind, secret, await tx.catalog(), now=now, not_before=not_before)
            await tx.add_client(client)
            await tx.record(Administered(what="client.created", subject=client.client_id), now=now)
    except AlreadyThere:
        raise Refused(f"there is a client {wanted.client_id!r} already") from None
    return Registered(client, secret)


async def listed(parts: Parts) -> list[Client]:
    """All clients by id."""
    async with parts.storage.read() as reading:
        return await reading.clients()


async def shown(parts: Parts, client_id: str) -> Client:
    """One client.

    Raises:
        Refused: there is none of that id.
    """
    async with parts.storage.read() as reading:
        client = await reading.client(client_id)
    if client is None:
        raise Refused(f"there is no client {client_id!r}")
    return client


async def disable(parts: Parts, client_id: str) -> Client:
    """Refuse a client at once, and declare its access tokens dead in every service. Again: nothing happens.

    Raises:
        Refused: there is no such client.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        client = await _lock(tx, client_id)
        if not client.enabled:
            return client
        client = replace(client, enabled=False, disabled_until=await _cut(tx, client_id, now=now))
        await tx.put_client(client)
        await tx.record(Administered(what="client.disabled", subject=client_id), now=now)
    return client


async def enable(parts: Parts, client_id: str) -> Client:
    """Let a client back in. Tokens are given to it only after its cut, up to a minute past the disabling.

    Raises:
        Refused: there is no such client.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        client = await _lock(tx, client_id)
        if client.enabled:
            return client
        client = replace(client, enabled=True)
        await tx.put_client(client)
        await tx.record(Administered(what="client.enabled", subject=client_id), now=now)
    return client


async def rotate_secret(parts: Parts, client_id: str) -> Registered:
    """Give a client another secret; the old one is worth nothing at once. Tokens already given live on.

    Raises:
        Refused: there is no such client, or it is public.
    """
    now = parts.clock.now()
    secret = _draw_secret(parts)
    async with parts.storage.write() as tx:
        client = await _lock(tx, client_id)
        if client.secret_hash is None:
            raise Refused(f"the client {client_id!r} is public: it has no secret")
        client = replace(client, secret_hash=hash_secret(secret))
        await tx.put_client(client)
        await tx.record(Administered(what="client.secret_rotated", subject=client_id), now=now)
    return Registered(client, secret)


async def delete(parts: Parts, client_id: str) -> Client:
    """Delete a client with its grants, and declare its access tokens dead.

    The client is disabled first. However many grants it has, they go in small transactions, so that nobody who
    refreshes meanwhile waits for them; whoever is stopped in between begins again.

    Returns:
        The client as it was.

    Raises:
        Refused: there is no such client.
    """
    before = await shown(parts, client_id)
    await disable(parts, client_id)
    await _delete_grants(parts, client_id)
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        client = await _lock(tx, client_id)
        # Disabling has cut it off already, unless somebody enabled it meanwhile.
        cut = await _cut(tx, client_id, now=now) if client.enabled else client.disabled_until
        await tx.put_meta(_CUT + client_id, str(cut))
        await tx.delete_client(client_id)
        await tx.record(Administered(what="client.deleted", subject=client_id), now=now)
    return before


async def _delete_grants(parts: Parts, client_id: str) -> None:
    while True:
        async with parts.storage.write() as tx:
            if await tx.delete_grants_of_client(client_id, limit=_GRANTS_AT_ONCE) < _GRANTS_AT_ONCE:
                return
        # Other processes that wait for the file get their turn.
        await asyncio.sleep(0.01)


def hash_secret(secret: str) -> bytes:
    """What is stored of a client secret: with 256 random bits in it, SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).digest()


def _draw_secret(parts: Parts) -> str:
    return base64url.encode(parts.entropy.draw(_SECRET_BYTES))


async def _lock(tx: Writing, client_id: str) -> Client:
    client = await tx.lock_client(client_id)
    if client is None:
        raise Refused(f"there is no client {client_id!r}")
    return client


async def _cut(tx: Writing, client_id: str, *, now: Instant) -> Instant:
    """Write the cut into the log; returns the instant after which a token is not caught by it."""
    entry = revocation.of_client(client_id, now=now, longest=await tx.longest_access_token())
    await tx.revoke(entry)
    # Tokens carry whole seconds and the cut is compared with <=, so the second of the cut itself must be over.
    return float((entry.issued_before or 0) + 1)


def _build(
    wanted: NewClient, kind: ClientType, secret: str | None, catalog: Catalog, *, now: Instant, not_before: Instant
) -> Client:
    try:
        scope = _known_scope(wanted.scopes, catalog)
        return Client(
            client_id=parse_client_id(wanted.client_id),
            type=kind,
            auth_method=wanted.auth_method or ("none" if kind == "public" else "client_secret_basic"),
            created_at=now,
            secret_hash=None if secret is None else hash_secret(secret),
            grant_types=_grant_types_of(wanted, kind),
            redirect_uris=_redirect_uris(wanted.redirect_uris),
            # RP-Initiated Logout 1.0 §3.1 allows what is allowed to sign in: https, or custom schemes of native apps.
            post_logout_redirect_uris=_redirect_uris(wanted.post_logout_redirect_uris),
            backchannel_logout_uri=None
            if wanted.backchannel_logout_uri is None
            else parse_backchannel_logout_uri(wanted.backchannel_logout_uri),
            origins=tuple(dict.fromkeys(parse_origin(origin) for origin in wanted.origins)),
            scope=scope,
            apis=_apis_for(scope, wanted.apis, catalog),
            serves=wanted.serves and _known_api(wanted.serves, catalog),
            first_party=wanted.first_party,
            name=None if wanted.name is None else parse_client_name(wanted.name),
            requires_pkce=wanted.requires_pkce,
            reuse=wanted.reuse,
            lifetime=wanted.lifetime,
            disabled_until=not_before,
        )
    except ValueError as error:
        raise Refused(str(error)) from None


def _redirect_uris(uris: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(parse_redirect_uri, uris)))


def _type_of(wanted: NewClient) -> ClientType:
    by_secret = wanted.auth_method is not None and wanted.auth_method != "none"
    must = by_secret or wanted.serves is not None or "client_credentials" in wanted.grant_types
    kind: ClientType = wanted.type or ("confidential" if must else "public")
    if kind == "public" and wanted.serves is not None:
        raise Refused("a client that serves an API proves itself by a secret: --type confidential")
    if kind == "public" and "client_credentials" in wanted.grant_types:
        raise Refused("client_credentials is for clients with a secret: --type confidential")
    # RFC 9700 §2.1.1: "Public clients MUST use PKCE"; a confidential one may rely on OpenID Connect's nonce instead.
    if kind == "public" and not wanted.requires_pkce:
        raise Refused("only a client with a secret may do without PKCE: --type confidential")
    if (kind == "public") is not (wanted.auth_method in (None, "none")) and wanted.auth_method is not None:
        raise Refused(f"--auth-method {wanted.auth_method} does not go with --type {kind}")
    return kind


def _grant_types_of(wanted: NewClient, kind: ClientType) -> frozenset[GrantType]:
    if wanted.grant_types:
        return frozenset(wanted.grant_types)
    if kind == "public" or wanted.first_party or wanted.redirect_uris:
        return _SIGN_IN
    if wanted.serves is not None and not wanted.scopes and not wanted.apis:
        return frozenset()
    return _FOR_ITSELF


def _known_scope(scopes: tuple[str, ...], catalog: Catalog) -> Scope:
    scope = Scope.of(scopes)
    known: set[str] = set().union(*(api.scope for api in catalog.apis.values()))
    if unknown := scope.of_apis - known:
        raise Refused(f"no API has the scope {min(unknown)!r}: {listing(known)}")
    return scope


def _known_api(audience: str, catalog: Catalog) -> str:
    if audience not in catalog.apis:
        raise Refused(f"there is no API {audience!r}: {listing(catalog.apis)}")
    return audience


def _apis_for(scope: Scope, apis: tuple[str, ...], catalog: Catalog) -> tuple[str, ...]:
    if apis:
        named = tuple(dict.fromkeys(_known_api(audience, catalog) for audience in apis))
        reach = Scope().union(*(catalog.apis[audience].scope for audience in named))
        if beyond := scope.of_apis - reach:
            raise Refused(f"none of the named APIs has the scope {min(beyond)!r}: name its API with --api")
        return named
    owners: dict[str, None] = {}
    for token in sorted(scope - OPENID_SCOPES):
        of_token = sorted(api.audience for api in catalog.apis.values() if token in api.scope)
        if len(of_token) > 1:
            raise Refused(f"several APIs have the scope {token!r}: say which with --api; {listing(of_token)}")
        owners.update(dict.fromkeys(of_token))
    return tuple(owners)
