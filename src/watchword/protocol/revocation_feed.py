"""The revocation feed: what was revoked, in order, signed, and how a reader judges a token by it.

A batch covers the entries after ``from`` up to ``to``. A heartbeat is a batch without entries. Each carries the hash
chain's link at both ends, so that a reader notices when it follows another log than the one it knew.

Diverges: the format is our own; SETs (RFC 8417) have neither order nor a proof that nothing happened.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import msgspec

from watchword.protocol import base64url, jws, strict_json
from watchword.protocol.access_token import AccessToken
from watchword.protocol.rejection import TokenRejected

TYP: Final = "revocations+jwt"
SSE_EVENT: Final = "revocations"
HEARTBEAT_SECONDS: Final = 5
SILENCE_SECONDS: Final = 15
# A client's cut reaches this far past its moment, so that tokens minted meanwhile by a lagging node are caught too.
CLIENT_CUT_SECONDS: Final = 60
# Added to the longest lifetime when deciding how long an entry matters: leeway at the verifier and clock differences.
MARGIN_SECONDS: Final = 120
# 1,000 entries of some 200 bytes, in base64url, and room.
MAX_BATCH_ENTRIES: Final = 1000
MAX_BATCH_LENGTH: Final = 512 * 1024


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One revocation. Exactly one thing is named.

    Attributes:
        seq: its number in the log; without gaps, from 1.
        until: seconds since the epoch; afterwards no token that it concerns can be alive.
        gid: a grant; sid: a session; jti: one access token; kid: a signing key.
        sub, epoch: tokens of the user born before this epoch.
        client_id, issued_before: tokens of the client issued at this second or earlier.
    """

    seq: int
    until: int
    gid: str | None = None
    sid: str | None = None
    sub: str | None = None
    epoch: int | None = None
    client_id: str | None = None
    issued_before: int | None = None
    jti: str | None = None
    kid: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The payload of one signed message.

    Attributes:
        iat: seconds since the epoch at which the primary database was read: what is not in here was not revoked then.
        log: the log's random name; it changes when a database is restored.
    """

    iss: str
    iat: int | float
    log: str
    from_: int
    to: int
    from_link: str
    link: str
    entries: list[Entry]

    def claims(self) -> dict[str, Any]:
        """As a JWS payload."""
        payload: dict[str, Any] = msgspec.to_builtins(self)
        return payload


def verify_batch(message: str, keys: jws.KeyLookup, *, issuer: str) -> Batch:
    """The batch behind a signed message.

    Raises:
        TokenRejected: form, key, signature, type or issuer are not right.
    """
    return parse_batch(message, keys, issuer=issuer)[1]


def parse_batch(message: str, keys: jws.KeyLookup, *, issuer: str) -> tuple[str, Batch]:
    """The ``kid`` that signed, and the batch. Raises as ``verify_batch``."""
    header, claims = jws.verify(message, keys, typ=TYP, max_length=MAX_BATCH_LENGTH)
    try:
        batch = msgspec.convert(claims, Batch, strict=True)
    except ValueError as error:
        raise TokenRejected("token.claims", str(error)) from None
    if batch.iss != issuer:
        raise TokenRejected("token.issuer")
    if not 0 <= batch.from_ <= batch.to:
        raise TokenRejected("token.claims", "a batch goes forward")
    return header.kid, batch


def first_link(log: str) -> str:
    """The link before any entry of the log called ``log``."""
    return base64url.encode(hashlib.sha256(log.encode()).digest())


def next_link(link: str, entry: Entry) -> str:
    """The link after ``entry``."""
    return base64url.encode(hashlib.sha256(link.encode() + strict_json.render_object(_members(entry))).digest())


def _members(entry: Entry) -> Mapping[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(entry)
    return dict(sorted(members.items()))


class RevocationSet:
    """What is revoked, by what it names. Grows by union and forgets only what can no longer matter."""

    __slots__ = ("_clients", "_gids", "_jtis", "_kids", "_sids", "_users", "version")

    def __init__(self) -> None:
        self._gids: dict[str, int] = {}
        self._sids: dict[str, int] = {}
        self._jtis: dict[str, int] = {}
        self._kids: dict[str, int] = {}
        self._users: dict[str, tuple[int, int]] = {}
        self._clients: dict[str, tuple[int, int]] = {}
        self.version = 0

    def __len__(self) -> int:
        return sum(len(names) for names in self._tables())

    def add(self, entry: Entry) -> None:
        """Remember ``entry``; a later end or a stronger cut wins over what was known."""
        for name, until in (
            (entry.gid, self._gids),
            (entry.sid, self._sids),
            (entry.jti, self._jtis),
            (entry.kid, self._kids),
        ):
            if name is not None:
                until[name] = max(until.get(name, 0), entry.until)
        if entry.sub is not None and entry.epoch is not None:
            self._users[entry.sub] = _stronger(self._users.get(entry.sub), entry.epoch, entry.until)
        if entry.client_id is not None and entry.issued_before is not None:
            cut = _stronger(self._clients.get(entry.client_id), entry.issued_before, entry.until)
            self._clients[entry.client_id] = cut
        self.version += 1

    def forget(self, now: float) -> None:
        """Drop what ended before ``now`` (seconds since the epoch). Keys stay: a stored key set may outlive them."""
        for ends in (self._gids, self._sids, self._jtis):
            for name in [name for name, until in ends.items() if until < now]:
                del ends[name]
        for cuts in (self._users, self._clients):
            for name in [name for name, (_, until) in cuts.items() if until < now]:
                del cuts[name]

    def key_revoked(self, kid: str) -> bool:
        """Whether the signing key of that id was revoked."""
        return kid in self._kids

    def judge(self, token: AccessToken) -> None:
        """Return if nothing here concerns ``token``.

        Raises:
            TokenRejected: ``token.revoked``.
        """
        if (
            token.gid in self._gids
            or token.sid in self._sids
            or token.jti in self._jtis
            or token.kid in self._kids
            or ((user := self._users.get(token.subject)) is not None and (token.epoch or 0) < user[0])
            or ((client := self._clients.get(token.client_id)) is not None and token.issued_at <= client[0])
        ):
            raise TokenRejected("token.revoked")

    def entries(self) -> list[Entry]:
        """Everything remembered, without numbers; enough to build an equal set."""
        found = [Entry(seq=0, until=until, gid=name) for name, until in self._gids.items()]
        found += [Entry(seq=0, until=until, sid=name) for name, until in self._sids.items()]
        found += [Entry(seq=0, until=until, jti=name) for name, until in self._jtis.items()]
        found += [Entry(seq=0, until=until, kid=name) for name, until in self._kids.items()]
        found += [Entry(seq=0, until=until, sub=name, epoch=cut) for name, (cut, until) in self._users.items()]
        found += [
            Entry(seq=0, until=until, client_id=name, issued_before=cut) for name, (cut, until) in self._clients.items()
        ]
        return found

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """The set that remembers ``entries``."""
        made = cls()
        for entry in entries:
            made.add(entry)
        return made

    def _tables(self) -> tuple[dict[str, Any], ...]:
        return (self._gids, self._sids, self._jtis, self._kids, self._users, self._clients)


def _stronger(known: tuple[int, int] | None, cut: int, until: int) -> tuple[int, int]:
    return (cut, until) if known is None else (max(known[0], cut), max(known[1], until))
