"""The ports of a transaction, over whatever runs its steps.

Docstrings are the ports': ``ports/transaction.py`` says what each method promises.
"""
# ruff: noqa: D102

from collections.abc import Sequence
from typing import TypeVar

from watchword.protocol.revocation_feed import Entry
from watchword.server.domain.api import Api, Catalog
from watchword.server.domain.audit import AuditEvent, AuditRecord
from watchword.server.domain.backchannel_logout import Listener
from watchword.server.domain.client import Client
from watchword.server.domain.consent import Consent
from watchword.server.domain.delivery import Delivery, DeliveryKind
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.key_ring import RingKey
from watchword.server.domain.pushed_request import PushedRequest
from watchword.server.domain.session import Session
from watchword.server.domain.throttle import Bucket
from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.user import User
from watchword.server.storage import consents, deliveries, listeners, pushed_requests, reads, revocation_log, writes
from watchword.server.storage.factor_transaction import FactorStepsReading, FactorStepsWriting
from watchword.server.storage.running import Run
from watchword.server.storage.statement import Steps

T = TypeVar("T")


class _Over:
    async def __call__(self, steps: Steps[T], /) -> T:
        steps.close()
        raise RuntimeError("this transaction is over")


class StepsReading(FactorStepsReading):
    """Reads inside a transaction."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def finish(self) -> None:
        """The transaction is over: what is asked of it afterwards would run outside of any."""
        self._run = _Over()

    async def user(self, sub: str) -> User | None:
        return await self._run(reads.user(sub))

    async def user_by_name(self, username_key: str) -> User | None:
        return await self._run(reads.user_by_name(username_key))

    async def users_by_email(self, email_key: str, *, limit: int) -> list[User]:
        return await self._run(reads.users_by_email(email_key, limit))

    async def users(self, *, after: str = "", limit: int = 1000) -> list[User]:
        return await self._run(reads.users(after, limit))

    async def client(self, client_id: str) -> Client | None:
        return await self._run(reads.client(client_id))

    async def clients(self) -> list[Client]:
        return await self._run(reads.clients())

    async def catalog(self) -> Catalog:
        return await self._run(reads.catalog())

    async def longest_access_token(self) -> Seconds:
        return await self._run(reads.longest_access_token())

    async def session(self, sid: str) -> Session | None:
        return await self._run(reads.session(sid))

    async def session_by_cookie(self, cookie_hash: bytes) -> tuple[Session, User] | None:
        return await self._run(reads.session_by_cookie(cookie_hash))

    async def sessions_of(self, sub: str) -> list[Session]:
        return await self._run(reads.sessions_of(sub))

    async def consent(self, sub: str, client_id: str) -> Consent | None:
        return await self._run(consents.consent(sub, client_id))

    async def consents_of(self, sub: str) -> list[Consent]:
        return await self._run(consents.consents_of(sub))

    async def grants_of_session(self, sid: str) -> list[Grant]:
        return await self._run(reads.grants_of_session(sid))

    async def sessions_with_grants(self, sub: str, *, now: Instant) -> set[str]:
        return await self._run(reads.sessions_with_grants(sub, now))

    async def grant(self, grant_id: bytes) -> tuple[Grant, Standing] | None:
        return await self._run(reads.grant(grant_id))

    async def grant_by_gid(self, gid: str) -> tuple[Grant, Standing] | None:
        return await self._run(reads.grant_by_gid(gid))

    async def listeners_of_session(self, sid: str, *, now: Instant) -> list[Listener]:
        return await self._run(listeners.of_session(sid, now))

    async def listeners_of_user(
        self, sub: str, *, epoch: int, besides: str | None, now: Instant, limit: int
    ) -> list[Listener]:
        return await self._run(listeners.of_user(sub, epoch, besides, now, limit))

    async def listening_clients_of_user(self, sub: str, *, epoch: int, now: Instant) -> list[Listener]:
        return await self._run(listeners.clients_of_user(sub, epoch, now))

    async def code(self, code_hash: bytes) -> AuthorizationCode | None:
        return await self._run(reads.code(code_hash))

    async def is_delivery_due(self, *, kind: DeliveryKind, now: Instant, besides: Sequence[str] = ()) -> bool:
        return await self._run(deliveries.is_delivery_due(kind, now, besides))

    async def keys(self) -> list[RingKey]:
        return await self._run(reads.keys())

    async def buckets(self, keys: Sequence[bytes]) -> dict[bytes, Bucket]:
        return await self._run(reads.buckets(keys))

    async def audit(self, *, limit: int = 100) -> list[AuditRecord]:
        return await self._run(reads.audit(limit))

    async def meta(self, name: str) -> str | None:
        return await self._run(reads.meta(name))


class StepsWriting(StepsReading, FactorStepsWriting):
    """Writes inside a transaction, and reads that see them."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.entries: list[Entry] = []

    async def lock_user(self, sub: str) -> User | None:
        return await self._run(writes.lock_user(sub))

    async def add_user(self, user: User) -> None:
        await self._run(writes.add_user(user))

    async def put_user(self, user: User) -> None:
        await self._run(writes.put_user(user))

    async def delete_user(self, sub: str) -> None:
        await self._run(writes.delete_user(sub))

    async def add_client(self, client: Client) -> None:
        await self._run(writes.add_client(client))

    async def lock_client(self, client_id: str) -> Client | None:
        return await self._run(writes.lock_client(client_id))

    async def put_client(self, client: Client) -> None:
        await self._run(writes.put_client(client))

    async def delete_grants_of_client(self, client_id: str, *, limit: int) -> int:
        return await self._run(writes.delete_grants_of_client(client_id, limit))

    async def delete_client(self, client_id: str) -> None:
        await self._run(writes.delete_client(client_id))

    async def add_api(self, api: Api) -> None:
        await self._run(writes.add_api(api))

    async def add_role(self, name: str, scope: Sequence[str]) -> None:
        await self._run(writes.add_role(name, scope))

    async def raise_longest_access_token(self, ttl: Seconds) -> None:
        await self._run(writes.raise_longest_access_token(ttl))

    async def add_session(self, session: Session) -> None:
        await self._run(writes.add_session(session))

    async def lock_session(self, sid: str) -> Session | None:
        return await self._run(writes.lock_session(sid))

    async def put_session(self, session: Session) -> None:
        await self._run(writes.put_session(session))

    async def put_consent(self, consent: Consent) -> None:
        await self._run(consents.put_consent(consent))

    async def delete_consent(self, sub: str, client_id: str) -> None:
        await self._run(consents.delete_consent(sub, client_id))

    async def add_pushed_request(self, request: PushedRequest) -> None:
        await self._run(pushed_requests.add_pushed_request(request))

    async def take_pushed_request(self, handle_hash: bytes) -> PushedRequest | None:
        return await self._run(pushed_requests.take_pushed_request(handle_hash))

    async def add_delivery(self, delivery: Delivery) -> None:
        await self._run(deliveries.add_delivery(delivery))

    async def lease_deliveries(
        self, *, kind: DeliveryKind, now: Instant, until: Instant, limit: int, besides: Sequence[str] = ()
    ) -> list[Delivery]:
        return await self._run(deliveries.lease_deliveries(kind, now, until, limit, besides))

    async def put_delivery(self, delivery: Delivery) -> None:
        await self._run(deliveries.put_delivery(delivery))

    async def delete_delivery(self, delivery_id: str) -> None:
        await self._run(deliveries.delete_delivery(delivery_id))

    async def grants_of_user(self, sub: str, client_id: str) -> list[Grant]:
        return await self._run(writes.grants_of_user(sub, client_id))

    async def add_grant(self, grant: Grant) -> None:
        await self._run(writes.add_grant(grant))

    async def lock_grant(self, grant_id: bytes) -> tuple[Grant, Standing] | None:
        return await self._run(writes.lock_grant(grant_id))

    async def put_grant(self, grant: Grant) -> None:
        await self._run(writes.put_grant(grant))

    async def add_code(self, code: AuthorizationCode) -> None:
        await self._run(writes.add_code(code))

    async def lock_code(self, code_hash: bytes) -> AuthorizationCode | None:
        return await self._run(writes.lock_code(code_hash))

    async def put_code(self, code: AuthorizationCode) -> None:
        await self._run(writes.put_code(code))

    async def lock_keys(self) -> list[RingKey]:
        return await self._run(writes.lock_keys())

    async def put_key(self, key: RingKey) -> None:
        await self._run(writes.put_key(key))

    async def lock_buckets(self, keys: Sequence[bytes]) -> dict[bytes, Bucket]:
        return await self._run(writes.lock_buckets(keys))

    async def put_buckets(self, buckets: Sequence[Bucket]) -> None:
        await self._run(writes.put_buckets(buckets))

    async def record(self, event: AuditEvent, *, now: Instant) -> None:
        await self._run(writes.record(event, now))

    async def revoke(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def live_token_entries(self, client_id: str, *, now: Instant) -> int:
        count = await self._run(revocation_log.live_token_entries(client_id, now=now))
        for entry in self.entries:
            if entry.client_id == client_id:
                count = 0 if entry.issued_before is not None else count + (entry.until >= now)
        return count

    async def put_meta(self, name: str, value: str) -> None:
        await self._run(writes.put_meta(name, value))
