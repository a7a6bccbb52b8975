"""What a source of tokens holds, and when it is time to renew. Pure.

Times are seconds since the epoch by this machine's clock. The server's clock plays no part: an access token's end is
counted from the moment before it was asked for.

Implements: RFC 6749 §1.5, §5.1, §6.
"""

from typing import Final, Self

import msgspec

from watchword.client.account import Account
from watchword.protocol.scope import Scope
from watchword.protocol.token_response import TokenResponse

FORMAT: Final = 1
# A token "obtained" further ahead than this means that the clock was set back: its end is not known then.
_CLOCK_STEP: Final = 60.0
_LONGEST: Final = 10 * 365 * 86400


class Access(msgspec.Struct, frozen=True):
    """An access token and its times."""

    token: str
    obtained_at: float
    expires_at: float
    scope: str

    def __repr__(self) -> str:
        return f"Access(scope={self.scope!r}, expires_at={self.expires_at})"

    def usable(self, now: float) -> bool:
        """Whether it is good for a call that starts now and takes a moment."""
        travel = min(5.0, (self.expires_at - self.obtained_at) / 20)
        return self.obtained_at - _CLOCK_STEP <= now < self.expires_at - travel

    def due(self, now: float, jitter: float) -> bool:
        """Whether it is time to renew it, while it is still good.

        Args:
            now: seconds since the epoch.
            jitter: from 0 to 1, drawn once per token, so that clients that started together drift apart.
        """
        early = min((self.expires_at - self.obtained_at) / 10, 300.0) * (1 + jitter)
        return not self.usable(now) or now >= self.expires_at - early


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """All that is held of one sign-in, or of one client that speaks for itself.

    Attributes:
        issuer, client_id, acts_for: whom it belongs to; nobody else uses it.
        asked: the scope that the sign-in asked for.
        access: access tokens by ``Account.key``: sources for several audiences may share one sign-in.
        generation: raised with every change.
        over: the server said ``invalid_grant``. Kept so that the next sign-in can hand the dead token to ``/revoke``.
    """

    issuer: str
    client_id: str
    acts_for: str
    refresh_token: str | None
    asked: str
    access: dict[str, Access]
    generation: int = 1
    over: bool = False
    format: int = FORMAT

    def __repr__(self) -> str:
        return f"Held(issuer={self.issuer!r}, client_id={self.client_id!r}, generation={self.generation})"

    @classmethod
    def first(
        cls, account: Account, response: TokenResponse, *, sent_at: float, asked: Scope, generation: int = 1
    ) -> Self:
        """What is held after a sign-in, or after the first client credentials.

        A sign-in that asked for more than the account does is for others too: its first access token says more than
        this account may, so it is not kept.
        """
        own = asked == account.scope
        return cls(
            issuer=account.issuer,
            client_id=account.client_id,
            acts_for=account.acts_for,
            refresh_token=response.refresh_token,
            asked=str(asked),
            access={account.key: _access(account, response, sent_at)} if own or response.refresh_token is None else {},
            generation=generation,
        )

    def renewed(self, account: Account, response: TokenResponse, *, sent_at: float) -> "Held":
        """What is held after a refresh. Without a new refresh token the old one stays (RFC 6749 §6)."""
        living = {key: access for key, access in self.access.items() if access.usable(sent_at)}
        return msgspec.structs.replace(
            self,
            refresh_token=response.refresh_token or self.refresh_token,
            access={**living, account.key: _access(account, response, sent_at)},
            generation=self.generation + 1,
        )

    def ended(self) -> "Held":
        """What is held after ``invalid_grant``: the dead token, to be handed back, and nothing to use."""
        return msgspec.structs.replace(self, access={}, over=True, generation=self.generation + 1)

    def belongs_to(self, account: Account) -> bool:
        """Whether issuer, client and kind are the account's (a token goes to nobody but the issuer that gave it)."""
        mine = (account.issuer, account.client_id, account.acts_for)
        return (self.issuer, self.client_id, self.acts_for) == mine

    def access_for(self, account: Account) -> Access | None:
        """The account's access token, whatever its age."""
        return None if self.over else self.access.get(account.key)


def encode(held: Held) -> bytes:
    """The text that a store keeps."""
    return msgspec.json.encode(held)


def parse(text: bytes) -> Held | None:
    """What a store kept; None where it is damaged, which is as good as empty.

    Raises:
        ValueError: written in a newer format, so it is somebody's living sign-in and not to be written over.
    """
    try:
        written = msgspec.json.decode(text, type=_Format).format
        if written == FORMAT:
            return msgspec.json.decode(text, type=Held)
    except ValueError:  # msgspec.DecodeError is one, and so is text that is not UTF-8
        return None
    if written > FORMAT:
        raise ValueError("the store was written by a newer version")
    return None


class _Format(msgspec.Struct):
    format: int


def _access(account: Account, response: TokenResponse, sent_at: float) -> Access:
    lifetime = min(max(response.expires_in, 0), _LONGEST)
    return Access(response.access_token, sent_at, sent_at + lifetime, response.scope or str(account.scope))
