"""An issuer in memory: makes keys, tokens and revocations for tests, without server or network.

What it makes is real: signed by real keys and judged by the real verifier, so a test that passes with it passes for
the reason that it names.
"""

import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from watchword.protocol import access_token, jwk_set, revocation_feed
from watchword.protocol.authentication_class import ACR_PASSWORD
from watchword.protocol.jws import SigningKey, VerificationKey
from watchword.protocol.metadata import Metadata
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import HEARTBEAT_SECONDS, MAX_BATCH_ENTRIES, Batch, Entry, RevocationSet
from watchword.protocol.scope import Scope
from watchword.resource import AsyncResourceServer, ResourceServer
from watchword.resource.assembly import Assembled, Knowledge
from watchword.resource.verifier import Need, Verifier

_ENTRY_SECONDS: Final = 24 * 3600


class TestIssuer:
    """Plays the authorization server.

    Args:
        issuer: its name; tokens carry it as ``iss``.
        audience: the resource that tokens are for unless said otherwise.
        clock: seconds since the epoch; a ``FrozenClock`` makes expiry testable.

    Attributes:
        reachable: False plays an outage: resource servers live on what they know.
    """

    __test__ = False  # for pytest, which would collect it by its name

    def __init__(
        self,
        issuer: str = "https://issuer.test",
        *,
        audience: str = "https://api.test",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self.clock = clock
        self.reachable = True
        self._serial = 0
        self._log = ""
        self._entries: list[Entry] = []
        self._links: list[str] = []
        self._listeners: weakref.WeakSet[Verifier] = weakref.WeakSet()
        self._heard_at = 0.0
        self.signing_key = self._new_key()
        self.published: dict[str, VerificationKey] = {self.signing_key.kid: self.signing_key.verification_key}
        self.rename_log()

    def __repr__(self) -> str:
        return f"TestIssuer({self.issuer!r})"

    # Tokens

    def token(
        self,
        sub: str = "alice",
        *,
        scope: str | Iterable[str] = "",
        audience: str | list[str] | None = None,
        client_id: str = "test-client",
        expires_in: float = 900,
        signed_in_ago: float | None = 0,
        acr: str | None = ACR_PASSWORD,
        amr: Iterable[str] | None = ("pwd",),
        **claims: Any,
    ) -> str:
        """A signed access token, as a user's client gets it.

        Args:
            sub: whom it is about.
            scope: a space-separated string or several strings.
            audience: for whom; the issuer's usual one by default.
            client_id: who got it.
            expires_in: seconds from now; negative for one that has expired.
            signed_in_ago: seconds since the user signed in, for ``auth_time``; None leaves it out.
            acr: how strongly he did, such as ``ACR_PASSKEY``; None leaves it out.
            amr: by which methods; None leaves it out.
            claims: further claims, or others in place of the usual ones; None leaves a claim out.

        Returns:
            The compact serialization.
        """
        now = int(self.clock())
        content: dict[str, Any] = {
            "iss": self.issuer,
            "sub": sub,
            "aud": self.audience if audience is None else audience,
            "exp": now + expires_in,
            "iat": now,
            "jti": self._name("jti"),
            "client_id": client_id,
            "scope": str(Scope.parse(scope) if isinstance(scope, str) else Scope.of(scope)),
            "sid": self._name("sid"),
            "gid": self._name("gid"),
            "epoch": 0,
            "auth_time": None if signed_in_ago is None else int(now - signed_in_ago),
            "acr": acr,
            "amr": None if amr is None else list(amr),
            **claims,
        }
        present = {name: value for name, value in content.items() if value is not None}
        return self.signing_key.sign(present, typ=access_token.TYP)

    # Revocation

    def revoke(
        self,
        token: str | None = None,
        *,
        session: str | None = None,
        grant: str | None = None,
        user: str | None = None,
        client: str | None = None,
        key: str | None = None,
    ) -> None:
        """Revoke one thing; resource servers over this issuer know at once, while it is reachable.

        Args:
            token: one access token.
            session: a ``sid``.
            grant: a ``gid``.
            user: a ``sub``: all tokens of epoch 0, as ``token`` makes them.
            client: a client id: all tokens issued until a minute from now.
            key: a ``kid``; it leaves the key set, and another one signs from now on.

        Raises:
            ValueError: not exactly one thing was named.
        """
        if [token, session, grant, user, client, key].count(None) != 5:
            raise ValueError("name exactly one thing to revoke")
        now = int(self.clock())
        until = now + _ENTRY_SECONDS
        if token is not None:
            self._add(Entry(seq=0, until=until, jti=self._read(token).jti))
        elif client is not None:
            cut = now + revocation_feed.CLIENT_CUT_SECONDS
            self._add(Entry(seq=0, until=until, client_id=client, issued_before=cut))
        elif user is not None:
            self._add(Entry(seq=0, until=until, sub=user, epoch=1))
        elif key is not None:
            self.published.pop(key, None)
            if self.signing_key.kid == key:
                self.rotate_key()
            self._add(Entry(seq=0, until=2**53, kid=key))
        else:
            self._add(Entry(seq=0, until=until, sid=session, gid=grant))

    def rotate_key(self) -> str:
        """Sign with a new key from now on; the old ones stay published. Returns its ``kid``."""
        self.signing_key = self._new_key()
        self.published[self.signing_key.kid] = self.signing_key.verification_key
        self._deliver_to_all()
        return self.signing_key.kid

    def rename_log(self) -> None:
        """Play a restored database: the log has a new name and begins anew."""
        self._log = self._name("log")
        self._entries = []
        self._links = [revocation_feed.first_link(self._log)]

    # The wire

    def metadata(self, *, base: str | None = None) -> bytes:
        """The metadata document; endpoints lie below ``base``, the issuer's own name by default."""
        base = self.issuer if base is None else base
        found = Metadata(
            issuer=self.issuer,
            jwks_uri=f"{base}/jwks",
            token_endpoint=f"{base}/token",
            introspection_endpoint=f"{base}/introspect",
            revocation_feed_endpoint=f"{base}/revocations",
        )
        return msgspec.json.encode(found)

    def key_set(self) -> bytes:
        """The key set document."""
        return jwk_set.render(self.published.values())

    @property
    def head(self) -> int:
        """The number of the newest entry."""
        return len(self._entries)

    def batch(self, after: int = 0, *, limit: int = MAX_BATCH_ENTRIES, key: SigningKey | None = None) -> str:
        """The signed batch after that number; without entries it is a heartbeat."""
        after = after if after <= self.head else 0
        to = min(after + limit, self.head)
        made = Batch(
            iss=self.issuer,
            iat=self.clock(),
            log=self._log,
            from_=after,
            to=to,
            from_link=self._links[after],
            link=self._links[to],
            entries=self._entries[after:to],
        )
        return (key or self.signing_key).sign(made.claims(), typ=revocation_feed.TYP)

    def active(self, token: str) -> bool:
        """What introspection says."""
        try:
            RevocationSet.of(self._entries).judge(self._read(token))
        except TokenRejected:
            return False
        return True

    # Resource servers

    def resource_server(self, *, audience: str | None = None, **settings: Any) -> ResourceServer:
        """A resource server over this issuer, without network or thread.

        Args:
            audience: its name; the issuer's usual one by default.
            settings: as for ``ResourceServer``.
        """
        made = ResourceServer(issuer=self.issuer, audience=audience or self.audience, **settings)
        made.knowledge = self._knowledge_for(made)
        return made

    def async_resource_server(self, *, audience: str | None = None, **settings: Any) -> AsyncResourceServer:
        """As ``resource_server``, for asyncio."""
        made = AsyncResourceServer(issuer=self.issuer, audience=audience or self.audience, **settings)
        made.knowledge = self._knowledge_for(made)
        return made

    @contextmanager
    def stand_in(self, resource: ResourceServer | AsyncResourceServer) -> Iterator[None]:
        """Play the issuer of a resource server that exists already, as the one of an application under test.

        Args:
            resource: it takes this issuer's tokens, and no others, until the block ends; its audience, leeway and
                policy stay.
        """
        before = resource.knowledge
        resource.knowledge = self._knowledge_for(resource)
        try:
            yield
        finally:
            resource.knowledge = before

    def _knowledge_for(self, resource: Assembled) -> Knowledge:
        verifier = resource.knowledge.verifier.blank(issuer=self.issuer)
        self._listeners.add(verifier)
        return Knowledge(verifier, _Offline(self, verifier), self._tick)

    def deliver(self, verifier: Verifier) -> None:
        """Bring keys and revocations to a verifier, as the network would; nothing during an outage."""
        verifier.started = True
        if self.reachable:
            now = self.clock()
            if verifier.keys.take(jwk_set.parse(self.key_set()), now=now):
                verifier.forget_tokens()
            taken = "partial"
            while taken in ("partial", "mismatch"):
                message = self.batch(verifier.view.sequence)
                kid, batch = revocation_feed.parse_batch(message, verifier.find_key, issuer=self.issuer)
                taken = verifier.view.take(batch, kid=kid, now=now)
        verifier.settle()

    def _tick(self) -> float:
        now = self.clock()
        if not 0 <= now - self._heard_at < HEARTBEAT_SECONDS:
            self._deliver_to_all()
        return now

    def _deliver_to_all(self) -> None:
        self._heard_at = self.clock()
        for verifier in list(self._listeners):
            if verifier.started:
                self.deliver(verifier)

    # Inside

    def _add(self, entry: Entry) -> None:
        numbered = msgspec.structs.replace(entry, seq=self.head + 1)
        self._entries.append(numbered)
        self._links.append(revocation_feed.next_link(self._links[-1], numbered))
        self._deliver_to_all()

    def _read(self, token: str) -> access_token.AccessToken:
        return access_token.verify(
            token,
            self.published.get,
            issuer=self.issuer,
            audiences=access_token.ANY_AUDIENCE,
            now=self.clock(),
            leeway=0,
        )

    def _new_key(self) -> SigningKey:
        private = ec.generate_private_key(ec.SECP256R1())
        return SigningKey(jwk_set.thumbprint(private.public_key()), private)

    def _name(self, kind: str) -> str:
        self._serial += 1
        return f"{kind}-{self._serial}"


class _Offline:
    """An attendant that needs no thread: everything is at hand."""

    def __init__(self, issuer: TestIssuer, verifier: Verifier) -> None:
        self._issuer = issuer
        self._verifier = verifier

    def attend(self, need: Need, token: str) -> "Future[Need]":
        outcome: Future[Need] = Future()
        if need == "introspection" and not self._issuer.reachable:
            outcome.set_exception(TokenRejected("token.revocation_unknown", "the issuer is away"))
        elif need == "introspection" and not self._issuer.active(token):
            outcome.set_exception(TokenRejected("token.inactive"))
        else:
            if need == "keys":
                self._verifier.keys.asked_for_unknown(self._issuer.clock())
            self._issuer.deliver(self._verifier)
            outcome.set_result(need)
        return outcome

    def open(self) -> None:
        return None

    def stop(self) -> None:
        return None
