"""What a transaction of the storage in memory reads and writes."""

import secrets
from collections.abc import Sequence, Set
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from tests.support.memory_factors import FactorTables, MemoryFactorsReading, MemoryFactorsWriting

from watchword.protocol import base64url
from watchword.protocol.revocation_feed import Entry, first_link
from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api, Catalog
from watchword.server.domain.audit import AuditEvent, AuditRecord
from watchword.server.domain.backchannel_logout import Listener
from watchword.server.domain.client import Client
from watchword.server.domain.consent import Consent
from watchword.server.domain.delivery import Delivery, DeliveryKind
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.identifiers import email_key as folded
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.pushed_request import PushedRequest
from watchword.server.domain.session import Session
from watchword.server.domain.throttle import Bucket
from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.user import User
from watchword.server.ports.already_there import AlreadyThere


@dataclass
class Tables(FactorTables):
    """All rows. They are immutable, so a copy of the dictionaries is a copy of everything."""

    users: dict[str, User] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    apis: dict[str, Api] = field(default_factory=dict)
    roles: dict[str, Scope] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    grants: dict[bytes, Grant] = field(default_factory=dict)
    codes: dict[bytes, AuthorizationCode] = field(default_factory=dict)
    consents: dict[tuple[str, str], Consent] = field(default_factory=dict)
    pushed: dict[bytes, PushedRequest] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    keys: dict[str, RingKey] = field(default_factory=dict)
    buckets: dict[bytes, Bucket] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    audit: list[AuditRecord] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
    links: dict[int, str] = field(default_factory=dict)
    longest: Seconds = 0
    log_name: str = field(default_factory=lambda: base64url.encode(secrets.token_bytes(16)))
    sequence: int = 0
    link: str = ""

    def __post_init__(self) -> None:
        self.link = self.link or first_link(self.log_name)

    def copy(self) -> Self:
        made = copy(self)
        for one in fields(self):
            if isinstance(value := getattr(self, one.name), dict | list):
                setattr(made, one.name, value.copy())
        return made


class MemoryReading(MemoryFactorsReading):
    """Reads of a snapshot."""

    tables: Tables

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    async def user(self, sub: str) -> User | None:
        return self.tables.users.get(sub)

    async def user_by_name(self, username_key: str) -> User | None:
        return next((user for user in self.tables.users.values() if user.username_key == username_key), None)

    async def users_by_email(self, email_key: str, *, limit: int) -> list[User]:
        found = [one for one in self.tables.users.values() if one.email and one.email_verified]
        having = [one for one in found if folded(one.email or "") == email_key]
        return sorted(having, key=lambda one: (one.created_at, one.sub))[:limit]

    async def users(self, *, after: str = "", limit: int = 1000) -> list[User]:
        ordered = sorted(self.tables.users.values(), key=lambda user: user.username_key)
        return [user for user in ordered if user.username_key > after][:limit]

    async def client(self, client_id: str) -> Client | None:
        return self.tables.clients.get(client_id)

    async def clients(self) -> list[Client]:
        return [client for _, client in sorted(self.tables.clients.items())]

    async def catalog(self) -> Catalog:
        return Catalog(apis=dict(sorted(self.tables.apis.items())), roles=dict(sorted(self.tables.roles.items())))

    async def longest_access_token(self) -> Seconds:
        return self.tables.longest

    async def session(self, sid: str) -> Session | None:
        return self.tables.sessions.get(sid)

    async def session_by_cookie(self, cookie_hash: bytes) -> tuple[Session, User] | None:
        session = next((one for one in self.tables.sessions.values() if one.cookie_hash == cookie_hash), None)
        user = self.tables.users.get(session.sub) if session is not None else None
        return None if session is None or user is None else (session, user)

    async def sessions_of(self, sub: str) -> list[Session]:
        found = [session for session in self.tables.sessions.values() if session.sub == sub]
        return sorted(found, key=lambda session: (-session.created_at, session.sid))

    async def consent(self, sub: str, client_id: str) -> Consent | None:
        return self.tables.consents.get((sub, client_id))

    async def consents_of(self, sub: str) -> list[Consent]:
        return [consent for key, consent in sorted(self.tables.consents.items()) if key[0] == sub]

    async def grants_of_session(self, sid: str) -> list[Grant]:
        found = [grant for grant in self.tables.grants.values() if grant.sid == sid]
        return sorted(found, key=lambda grant: (grant.created_at, grant.gid))

    async def sessions_with_grants(self, sub: str, *, now: Instant) -> set[str]:
        living = [
            grant
            for grant in self.tables.grants.values()
            if grant.sub == sub and grant.ended_at is None and now < min(grant.absolute_end, grant.idle_end)
        ]
        return {grant.sid for grant in living if self._standing(grant).client_enabled}

    async def grant(self, grant_id: bytes) -> tuple[Grant, Standing] | None:
        grant = self.tables.grants.get(grant_id)
        return None if grant is None else (grant, self._standing(grant))

    async def grant_by_gid(self, gid: str) -> tuple[Grant, Standing] | None:
        grant = next((grant for grant in self.tables.grants.values() if grant.gid == gid), None)
        return None if grant is None else (grant, self._standing(grant))

    async def listeners_of_session(self, sid: str, *, now: Instant) -> list[Listener]:
        sessions = self.tables.sessions.values()
        within = {one.sid for one in sessions if (one.opened_in, one.ended_at) == (sid, None)}
        return self._listeners(within | {sid}, now)

    async def listeners_of_user(
        self, sub: str, *, epoch: int, besides: str | None, now: Instant, limit: int
    ) -> list[Listener]:
        sessions = self.tables.sessions.values()
        living = {one.sid for one in sessions if (one.sub, one.epoch, one.ended_at) == (sub, epoch, None)}
        return self._listeners(living - {besides}, now)[:limit]

    async def listening_clients_of_user(self, sub: str, *, epoch: int, now: Instant) -> list[Listener]:
        limit = len(self.tables.grants)
        found = await self.listeners_of_user(sub, epoch=epoch, besides=None, now=now, limit=limit)
        once = {one.client_id: replace(one, sid=None) for one in found}
        return [one for _, one in sorted(once.items())]

    def _listeners(self, sids: Set[str | None], now: Instant) -> list[Listener]:
        found = set()
        for grant in self.tables.grants.values():
            client, session = self.tables.clients.get(grant.client_id), self.tables.sessions.get(grant.sid)
            target = None if client is None else client.backchannel_logout_uri
            if target is not None and session is not None and grant.sid in sids and grant.absolute_end > now:
                known_as = session.opened_in or session.sid
                found.add(Listener(client_id=grant.client_id, target=target, sub=grant.sub, sid=known_as))
        return sorted(found, key=lambda one: (one.sid or "", one.client_id))

    async def code(self, code_hash: bytes) -> AuthorizationCode | None:
        return self.tables.codes.get(code_hash)

    async def is_delivery_due(self, *, kind: DeliveryKind, now: Instant, besides: Sequence[str] = ()) -> bool:
        return any(
            one.kind == kind and one.due_at <= now < one.expires_at and one.target not in besides
            for one in self.tables.deliveries.values()
        )

    async def keys(self) -> list[RingKey]:
        return sorted(self.tables.keys.values(), key=lambda key: (key.created_at, key.kid))

    async def buckets(self, keys: Sequence[bytes]) -> dict[bytes, Bucket]:
        return {key: self.tables.buckets[key] for key in keys if key in self.tables.buckets}

    async def audit(self, *, limit: int = 100) -> list[AuditRecord]:
        return self.tables.audit[::-1][:limit]

    async def meta(self, name: str) -> str | None:
        return self.tables.meta.get(name)

    def _standing(self, grant: Grant) -> Standing:
        user = self.tables.users.get(grant.sub)
        session = self.tables.sessions.get(grant.sid)
        client = self.tables.clients.get(grant.client_id)
        ended = session is None or session.ended_at is not None
        reason = session.ended_reason if session is not None else None
        return Standing(
            user_enabled=user is not None and user.enabled,
            user_epoch=user.epoch if user else 0,
            user_roles=user.roles if user else frozenset(),
            session_epoch=session.epoch if session else 0,
            session_ended_reason=(reason or "session_ended") if ended else None,
            client_enabled=client is not None and client.enabled and client.created_at <= grant.created_at,
            session_opened_in=session.opened_in if session else None,
        )


class MemoryWriting(MemoryReading, MemoryFactorsWriting):
    """Writes to a copy that replaces the original at the commit. There is one writer at a time: locks are reads."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.entries: list[Entry] = []

    def keeps(self, sub: str) -> bool:
        return sub in self.tables.users

    async def lock_user(self, sub: str) -> User | None:
        return await self.user(sub)

    async def add_user(self, user: User) -> None:
        if user.sub in self.tables.users or await self.user_by_name(user.username_key):
            raise AlreadyThere("username")
        self.tables.users[user.sub] = user

    async def put_user(self, user: User) -> None:
        _change(self.tables.users, user.sub, user)

    async def delete_user(self, sub: str) -> None:
        self.tables.users.pop(sub, None)
        _drop(self.tables.sessions, lambda session: session.sub == sub)
        _drop(self.tables.grants, lambda grant: grant.sub == sub)
        _drop(self.tables.codes, lambda code: code.authentication.sub == sub)
        _drop(self.tables.consents, lambda consent: consent.sub == sub)
        self.drop_factors(sub)

    async def add_client(self, client: Client) -> None:
        _add(self.tables.clients, client.client_id, client, "client")

    async def lock_client(self, client_id: str) -> Client | None:
        return await self.client(client_id)

    async def put_client(self, client: Client) -> None:
        _change(self.tables.clients, client.client_id, client)

    async def delete_grants_of_client(self, client_id: str, *, limit: int) -> int:
        found = sorted(grant.id for grant in self.tables.grants.values() if grant.client_id == client_id)[:limit]
        for grant_id in found:
            del self.tables.grants[grant_id]
        return len(found)

    async def delete_client(self, client_id: str) -> None:
        self.tables.clients.pop(client_id, None)
        _drop(self.tables.grants, lambda grant: grant.client_id == client_id)
        _drop(self.tables.codes, lambda code: code.client_id == client_id)
        _drop(self.tables.consents, lambda consent: consent.client_id == client_id)
        _drop(self.tables.pushed, lambda pushed: pushed.client_id == client_id)

    async def add_api(self, api: Api) -> None:
        _add(self.tables.apis, api.audience, api, "api")

    async def add_role(self, name: str, scope: Sequence[str]) -> None:
        _add(self.tables.roles, name, Scope(scope), "role")

    async def raise_longest_access_token(self, ttl: Seconds) -> None:
        self.tables.longest = max(self.tables.longest, ttl)

    async def add_session(self, session: Session) -> None:
        if session.cookie_hash is not None and await self.session_by_cookie(session.cookie_hash):
            raise ValueError("the cookie is to be unique")
        self.tables.sessions[session.sid] = session

    async def lock_session(self, sid: str) -> Session | None:
        return await self.session(sid)

    async def put_session(self, session: Session) -> None:
        _change(self.tables.sessions, session.sid, session)

    async def put_consent(self, consent: Consent) -> None:
        if consent.sub in self.tables.users and consent.client_id in self.tables.clients:
            self.tables.consents[consent.sub, consent.client_id] = consent

    async def delete_consent(self, sub: str, client_id: str) -> None:
        self.tables.consents.pop((sub, client_id), None)

    async def add_pushed_request(self, request: PushedRequest) -> None:
        self.tables.pushed[request.handle_hash] = request

    async def take_pushed_request(self, handle_hash: bytes) -> PushedRequest | None:
        return self.tables.pushed.pop(handle_hash, None)

    async def add_delivery(self, delivery: Delivery) -> None:
        self.tables.deliveries[delivery.id] = delivery

    async def lease_deliveries(
        self, *, kind: DeliveryKind, now: Instant, until: Instant, limit: int, besides: Sequence[str] = ()
    ) -> list[Delivery]:
        waiting = sorted(self.tables.deliveries.values(), key=lambda delivery: (delivery.due_at, delivery.id))
        due = [one for one in waiting if one.kind == kind and one.due_at <= now < one.expires_at]
        due = [one for one in due if one.target not in besides]
        leased = [replace(delivery, due_at=until) for delivery in due[:limit]]
        self.tables.deliveries |= {delivery.id: delivery for delivery in leased}
        return leased

    async def put_delivery(self, delivery: Delivery) -> None:
        _change(self.tables.deliveries, delivery.id, delivery)

    async def delete_delivery(self, delivery_id: str) -> None:
        self.tables.deliveries.pop(delivery_id, None)

    async def grants_of_user(self, sub: str, client_id: str) -> list[Grant]:
        grants = [grant for _, grant in sorted(self.tables.grants.items())]
        return [one for one in grants if (one.sub, one.client_id, one.ended_at) == (sub, client_id, None)]

    async def add_grant(self, grant: Grant) -> None:
        self.tables.grants[grant.id] = grant

    async def lock_grant(self, grant_id: bytes) -> tuple[Grant, Standing] | None:
        return await self.grant(grant_id)

    async def put_grant(self, grant: Grant) -> None:
        _change(self.tables.grants, grant.id, grant)

    async def add_code(self, code: AuthorizationCode) -> None:
        self.tables.codes[code.code_hash] = code

    async def lock_code(self, code_hash: bytes) -> AuthorizationCode | None:
        return await self.code(code_hash)

    async def put_code(self, code: AuthorizationCode) -> None:
        _change(self.tables.codes, code.code_hash, code)

    async def lock_keys(self) -> list[RingKey]:
        return await self.keys()

    async def put_key(self, key: RingKey) -> None:
        self.tables.keys[key.kid] = key

    async def lock_buckets(self, keys: Sequence[bytes]) -> dict[bytes, Bucket]:
        for key in keys:
            self.tables.buckets.setdefault(key, Bucket(key=key))
        return {key: self.tables.buckets[key] for key in keys}

    async def put_buckets(self, buckets: Sequence[Bucket]) -> None:
        self.tables.buckets |= {bucket.key: bucket for bucket in buckets}

    async def record(self, event: AuditEvent, *, now: Instant) -> None:
        self.tables.audit.append(AuditRecord(now, event.kind, event.fields()))

    async def revoke(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def live_token_entries(self, client_id: str, *, now: Instant) -> int:
        count = 0
        for entry in (*self.tables.log, *self.entries):
            if entry.client_id == client_id:
                count = 0 if entry.issued_before is not None else count + (entry.until >= now)
        return count

    async def put_meta(self, name: str, value: str) -> None:
        self.tables.meta[name] = value


def _add(rows: dict[str, Any], key: str, row: Any, what: str) -> None:
    if key in rows:
        raise AlreadyThere(what)
    rows[key] = row


def _change(rows: dict[Any, Any], key: Any, row: Any) -> None:
    if key in rows:
        rows[key] = row


def _drop(rows: dict[Any, Any], belongs: Any) -> None:
    for key in [key for key, row in rows.items() if belongs(row)]:
        del rows[key]
