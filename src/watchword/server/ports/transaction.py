"""What can be read and written inside a transaction, feature by feature.

What is put and is not there (any more) stays away, without an error. Text that a database cannot hold (NUL, lone
surrogates) is looked up and found missing.

Lock order, to be kept by callers: users, clients, sessions, grants by id, then the log's head, which the commit takes
itself.
"""

from collections.abc import Sequence
from typing import Protocol

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
from watchword.server.ports.factors import FactorsReading, FactorsWriting


class Reading(FactorsReading, Protocol):
    """Reads. Everything missing is None or empty."""

    # Users
    async def user(self, sub: str) -> User | None:
        """The user with that ``sub``, roles included."""
        ...

    async def user_by_name(self, username_key: str) -> User | None:
        """The user with that folded name."""
        ...

    async def users_by_email(self, email_key: str, *, limit: int) -> list[User]:
        """Users with that verified address, folded, oldest first."""
        ...

    async def users(self, *, after: str = "", limit: int = 1000) -> list[User]:
        """Users in order of their folded names, after the given one."""
        ...

    # Clients, APIs, roles
    async def client(self, client_id: str) -> Client | None:
        """The client with that id."""
        ...

    async def clients(self) -> list[Client]:
        """All clients by id."""
        ...

    async def catalog(self) -> Catalog:
        """All APIs and roles."""
        ...

    async def longest_access_token(self) -> Seconds:
        """The longest access-token lifetime that was ever in force; 0 before the first."""
        ...

    # Sessions, grants, codes
    async def session(self, sid: str) -> Session | None:
        """The session with that id, ended or not."""
        ...

    async def session_by_cookie(self, cookie_hash: bytes) -> tuple[Session, User] | None:
        """The browser's session with that cookie, ended or not, and its user."""
        ...

    async def sessions_of(self, sub: str) -> list[Session]:
        """All kept sessions of a user, newest first."""
        ...

    async def consent(self, sub: str, client_id: str) -> Consent | None:
        """What the user allowed that client."""
        ...

    async def consents_of(self, sub: str) -> list[Consent]:
        """All that a user allowed, by client id."""
        ...

    async def grants_of_session(self, sid: str) -> list[Grant]:
        """All grants of a session."""
        ...

    async def sessions_with_grants(self, sub: str, *, now: Instant) -> set[str]:
        """The sessions of a user, ended or not, that hold a grant which was not ended and lives by its own ends.

        A grant of a client that is disabled, or was deleted since, does not count.
        """
        ...

    async def grant(self, grant_id: bytes) -> tuple[Grant, Standing] | None:
        """The grant with that secret id, and what it stands on.

        A client that was created after the grant is another one of the same name: it does not count as enabled.
        """
        ...

    async def grant_by_gid(self, gid: str) -> tuple[Grant, Standing] | None:
        """The grant with that public name, and what it stands on."""
        ...

    async def listeners_of_session(self, sid: str, *, now: Instant) -> list[Listener]:
        """The clients with a back-channel logout URI that hold a grant in a session, or in one opened in it, by id.

        An ended grant counts, as the client may have a session of its own; one past its absolute end does not, nor
        does one whose session, opened in this one, was ended before. Each is told of the session that it knows: where
        one was opened in another, of the other.
        """
        ...

    async def listeners_of_user(
        self, sub: str, *, epoch: int, besides: str | None, now: Instant, limit: int
    ) -> list[Listener]:
        """As ``listeners_of_session``, for the user's sessions of that epoch that were not ended; at most ``limit``.

        ``besides`` is left out, and those that were opened in it are not.
        """
        ...

    async def listening_clients_of_user(self, sub: str, *, epoch: int, now: Instant) -> list[Listener]:
        """As ``listeners_of_user``, but each client once, without a session."""
        ...

    async def code(self, code_hash: bytes) -> AuthorizationCode | None:
        """The authorization code with that SHA-256, spent or not."""
        ...

    async def is_delivery_due(self, *, kind: DeliveryKind, now: Instant, besides: Sequence[str] = ()) -> bool:
        """Whether ``lease_deliveries`` would find one, as far as can be seen without locking."""
        ...

    # Keys
    async def keys(self) -> list[RingKey]:
        """All signing keys, oldest first."""
        ...

    # Throttle, audit, meta
    async def buckets(self, keys: Sequence[bytes]) -> dict[bytes, Bucket]:
        """Those of the throttle buckets that exist."""
        ...

    async def audit(self, *, limit: int = 100) -> list[AuditRecord]:
        """The newest audit events, newest first."""
        ...

    async def meta(self, name: str) -> str | None:
        """A named value of the installation."""
        ...


class Writing(Reading, FactorsWriting, Protocol):
    """Writes, and reads that see them. ``lock_*`` loads for writing: nobody else changes the row before the commit."""

    # Users
    async def lock_user(self, sub: str) -> User | None:
        """The user, for writing."""
        ...

    async def add_user(self, user: User) -> None:
        """A new user with his roles.

        Raises:
            AlreadyThere: ``username``.
        """
        ...

    async def put_user(self, user: User) -> None:
        """The changed row of a user, roles included."""
        ...

    async def delete_user(self, sub: str) -> None:
        """Delete a user with all that hangs on him: roles, sessions, grants, codes, consents, factors, links.

        The ``sub`` is never given again.
        """
        ...

    # Clients, APIs, roles
    async def add_client(self, client: Client) -> None:
        """A new client.

        Raises:
            AlreadyThere: ``client``.
        """
        ...

    async def lock_client(self, client_id: str) -> Client | None:
        """The client, for writing."""
        ...

    async def put_client(self, client: Client) -> None:
        """The changed row of a client."""
        ...

    async def delete_grants_of_client(self, client_id: str, *, limit: int) -> int:
        """Delete up to ``limit`` grants of a client, and return how many there were: for many, in small steps."""
        ...

    async def delete_client(self, client_id: str) -> None:
        """Delete a client with its grants, codes, consents and pushed requests."""
        ...

    async def add_api(self, api: Api) -> None:
        """A new API with its scopes.

        Raises:
            AlreadyThere: ``api``.
        """
        ...

    async def add_role(self, name: str, scope: Sequence[str]) -> None:
        """A new role.

        Raises:
            AlreadyThere: ``role``.
        """
        ...

    async def raise_longest_access_token(self, ttl: Seconds) -> None:
        """Remember ``ttl`` if it is longer than any before."""
        ...

    # Sessions, grants, codes
    async def add_session(self, session: Session) -> None:
        """A new session."""
        ...

    async def lock_session(self, sid: str) -> Session | None:
        """The session, for writing."""
        ...

    async def put_session(self, session: Session) -> None:
        """The changed row of a session."""
        ...

    async def put_consent(self, consent: Consent) -> None:
        """A new or changed consent. Its user and client stay until the commit; where one is gone, nothing is put."""
        ...

    async def delete_consent(self, sub: str, client_id: str) -> None:
        """Forget a consent; one that is not there is fine."""
        ...

    async def add_pushed_request(self, request: PushedRequest) -> None:
        """A new pushed authorization request."""
        ...

    async def take_pushed_request(self, handle_hash: bytes) -> PushedRequest | None:
        """The pushed request with that SHA-256; it is deleted: one use."""
        ...

    async def add_delivery(self, delivery: Delivery) -> None:
        """A message that somebody outside must hear of, after the commit, whatever happens to this process."""
        ...

    async def lease_deliveries(
        self, *, kind: DeliveryKind, now: Instant, until: Instant, limit: int, besides: Sequence[str] = ()
    ) -> list[Delivery]:
        """Deliveries of that kind that are due at ``now``, put off to ``until``: no other node takes them meanwhile.

        Longest due first, at most ``limit``, as they are after it; none that is given up by ``now``, and none whose
        target is one of a few ``besides``.
        """
        ...

    async def put_delivery(self, delivery: Delivery) -> None:
        """The changed row of a delivery: its next try."""
        ...

    async def delete_delivery(self, delivery_id: str) -> None:
        """A delivery that is done, or given up."""
        ...

    async def grants_of_user(self, sub: str, client_id: str) -> list[Grant]:
        """All living grants of a user for one client, for writing, by id."""
        ...

    async def add_grant(self, grant: Grant) -> None:
        """A new grant."""
        ...

    async def lock_grant(self, grant_id: bytes) -> tuple[Grant, Standing] | None:
        """The grant, for writing, and what it stands on."""
        ...

    async def put_grant(self, grant: Grant) -> None:
        """The changed row of a grant."""
        ...

    async def add_code(self, code: AuthorizationCode) -> None:
        """A new authorization code."""
        ...

    async def lock_code(self, code_hash: bytes) -> AuthorizationCode | None:
        """The code with that SHA-256, for writing."""
        ...

    async def put_code(self, code: AuthorizationCode) -> None:
        """The changed row of a code."""
        ...

    # Keys
    async def lock_keys(self) -> list[RingKey]:
        """All signing keys, for writing: two nodes never rotate at once."""
        ...

    async def put_key(self, key: RingKey) -> None:
        """A new or changed signing key."""
        ...

    # Throttle, audit, log, meta
    async def lock_buckets(self, keys: Sequence[bytes]) -> dict[bytes, Bucket]:
        """Those throttle buckets, for writing; one that does not exist yet comes as an empty one."""
        ...

    async def put_buckets(self, buckets: Sequence[Bucket]) -> None:
        """New or changed throttle buckets."""
        ...

    async def record(self, event: AuditEvent, *, now: Instant) -> None:
        """An audit row."""
        ...

    async def revoke(self, entry: Entry) -> None:
        """An entry for the revocation log; it is numbered at the commit."""
        ...

    async def live_token_entries(self, client_id: str, *, now: Instant) -> int:
        """How many entries for single tokens (``jti``) of that client, since its last cut, still matter at ``now``."""
        ...

    async def put_meta(self, name: str, value: str) -> None:
        """A named value of the installation."""
        ...
