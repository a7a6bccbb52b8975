"""Rows to things and back: users, clients, APIs, roles, keys, buckets, audit."""

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from watchword.protocol.revocation_feed import Entry
from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api, Catalog
from watchword.server.domain.audit import AuditEvent, AuditRecord
from watchword.server.domain.client import Client
from watchword.server.domain.identifiers import email_key
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.lifetimes import AUDIT
from watchword.server.domain.throttle import Bucket
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.storage.gathering import SEPARATOR
from watchword.server.storage.statement import Row, Rows


def storable(*texts: str) -> bool:
    """Whether a database can hold ``texts`` at all. What it cannot hold is nobody's name."""
    try:
        return all("\0" not in text and text.encode() is not None for text in texts)
    except UnicodeEncodeError:
        return False


def pack(texts: Iterable[str]) -> str:
    """Several texts as one, in their order."""
    return json.dumps(list(texts), ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=4096)
def unpack(text: str) -> tuple[str, ...]:
    """The texts that were packed."""
    return tuple(json.loads(text))


@lru_cache(maxsize=4096)
def scope_of(text: str) -> Scope:
    """The scope of a stored text, which was checked when it came in."""
    return Scope(text.split(" ")) if text else Scope()


@lru_cache(maxsize=4096)
def gathered(text: str | None) -> frozenset[str]:
    """Names that a query gathered."""
    return frozenset(text.split(SEPARATOR)) if text else frozenset()


def user_of(row: Row) -> User:
    """A user with his roles."""
    sub, username, key, created_at, password_hash, email, verified, enabled, epoch, _, roles = row
    return User(
        sub=sub,
        username=username,
        username_key=key,
        created_at=created_at,
        password_hash=password_hash,
        email=email,
        email_verified=bool(verified),
        enabled=bool(enabled),
        epoch=epoch,
        roles=gathered(roles),
    )


def of_user(user: User) -> dict[str, Any]:
    """The columns of a user; the roles are rows of their own."""
    return {
        "sub": user.sub,
        "username": user.username,
        "username_key": user.username_key,
        "created_at": user.created_at,
        "password_hash": user.password_hash,
        "email": user.email,
        "email_verified": user.email_verified,
        "enabled": user.enabled,
        "epoch": user.epoch,
        "email_key": email_key(user.email) if user.email is not None and user.email_verified else None,
    }


def client_of(row: Row) -> Client:
    """A client."""
    (client_id, type_, auth_method, created_at, secret_hash, grant_types, redirect_uris, origins, scope, apis) = row[
        :10
    ]
    serves, first_party, reuse, lifetime, enabled, disabled_until, after_logout, backchannel, name, pkce = row[10:]
    return Client(
        client_id=client_id,
        type=type_,
        auth_method=auth_method,
        created_at=created_at,
        secret_hash=secret_hash,
        grant_types=frozenset(unpack(grant_types)),  # type: ignore[arg-type] # stored by of_client
        redirect_uris=unpack(redirect_uris),
        post_logout_redirect_uris=unpack(after_logout),
        backchannel_logout_uri=backchannel,
        origins=unpack(origins),
        scope=scope_of(scope),
        apis=unpack(apis),
        serves=serves,
        first_party=bool(first_party),
        name=name,
        requires_pkce=bool(pkce),
        reuse=reuse,
        lifetime=lifetime,
        enabled=bool(enabled),
        disabled_until=disabled_until,
    )


def of_client(client: Client) -> dict[str, Any]:
    """The columns of a client."""
    return {
        "client_id": client.client_id,
        "type": client.type,
        "auth_method": client.auth_method,
        "created_at": client.created_at,
        "secret_hash": client.secret_hash,
        "grant_types": pack(sorted(client.grant_types)),
        "redirect_uris": pack(client.redirect_uris),
        "post_logout_redirect_uris": pack(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "origins": pack(client.origins),
        "scope": str(client.scope),
        "apis": pack(client.apis),
        "serves": client.serves,
        "first_party": client.first_party,
        "name": client.name,
        "requires_pkce": client.requires_pkce,
        "reuse": client.reuse,
        "lifetime": client.lifetime,
        "enabled": client.enabled,
        "disabled_until": client.disabled_until,
    }


def catalog_of(api_rows: Rows, api_scope_rows: Rows, role_rows: Rows, role_scope_rows: Rows) -> Catalog:
    """All APIs and roles, from the rows of their four tables."""
    api_scopes: dict[str, list[str]] = defaultdict(list)
    for audience, scope in api_scope_rows:
        api_scopes[audience].append(scope)
    role_scopes: dict[str, list[str]] = defaultdict(list)
    for role, scope in role_scope_rows:
        role_scopes[role].append(scope)
    return Catalog(
        apis={
            audience: Api(audience=audience, scope=Scope(api_scopes[audience]), alg=alg, access_token_ttl=ttl)
            for audience, alg, ttl in api_rows
        },
        roles={name: Scope(role_scopes[name]) for (name,) in role_rows},
    )


def key_of(row: Row) -> RingKey:
    """A signing key."""
    kid, alg, state, public_jwk, sealed, created_at, since, published_until = row
    return RingKey(
        kid=kid,
        alg=alg,
        state=state,
        public_jwk=public_jwk,
        sealed=sealed,
        created_at=created_at,
        since=since,
        published_until=published_until,
    )


def of_key(key: RingKey) -> dict[str, Any]:
    """The columns of a signing key."""
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "public_jwk": key.public_jwk,
        "sealed": key.sealed,
        "created_at": key.created_at,
        "since": key.since,
        "published_until": key.published_until,
    }


def bucket_of(row: Row) -> Bucket:
    """A throttle bucket."""
    key, failures, blocked_until, known, until = row
    return Bucket(key=key, failures=failures, blocked_until=blocked_until, known=bool(known), until=until)


def of_bucket(bucket: Bucket) -> dict[str, Any]:
    """The columns of a throttle bucket."""
    return {
        "key": bucket.key,
        "failures": bucket.failures,
        "blocked_until": bucket.blocked_until,
        "known": bucket.known,
        "until": bucket.until,
    }


def record_of(row: Row) -> AuditRecord:
    """An audit event as read back."""
    at, kind, fields = row
    return AuditRecord(at, kind, json.loads(fields))


def of_event(event: AuditEvent, at: Instant) -> dict[str, Any]:
    """The columns of an audit event, without the number that the database gives."""
    fields = json.dumps(event.fields(), ensure_ascii=False, separators=(",", ":"))
    return {"at": at, "kind": event.kind, "fields": fields, "ends_at": at + AUDIT}


def entry_of(row: Row) -> tuple[Entry, str]:
    """An entry of the revocation log, and the link after it."""
    seq, until, link, gid, sid, sub, epoch, client_id, issued_before, jti, kid = row
    entry = Entry(
        seq=seq,
        until=until,
        gid=gid,
        sid=sid,
        sub=sub,
        epoch=epoch,
        client_id=client_id,
        issued_before=issued_before,
        jti=jti,
        kid=kid,
    )
    return entry, link


def of_entry(entry: Entry, link: str) -> dict[str, Any]:
    """The columns of an entry with the link after it."""
    return {
        "seq": entry.seq,
        "until": entry.until,
        "link": link,
        "gid": entry.gid,
        "sid": entry.sid,
        "sub": entry.sub,
        "epoch": entry.epoch,
        "client_id": entry.client_id,
        "issued_before": entry.issued_before,
        "jti": entry.jti,
        "kid": entry.kid,
    }
