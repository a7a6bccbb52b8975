"""A token request, parsed: what the grant flows share."""

from dataclasses import dataclass, field

from watchword.server.domain.caller import Caller
from watchword.server.domain.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """The parameters of a token request; those that a grant type does not know are not looked at.

    Attributes:
        caller: who sends it, as far as the network tells.
        device: what the user may recognise it by.
        now: the node's clock, read once for this request.
    """

    grant_type: str
    now: Instant
    caller: Caller | None = None
    device: str = ""
    scope: str | None = None
    resources: tuple[str, ...] = ()
    code: str | None = field(default=None, repr=False)
    code_verifier: str | None = field(default=None, repr=False)
    redirect_uri: str | None = None
    refresh_token: str | None = field(default=None, repr=False)
