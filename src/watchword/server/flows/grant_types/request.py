"""A token request, parsed: what the grant flows share."""

import msgspec

from watchword.server.domain.caller import Caller
from watchword.server.domain.time import Instant


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
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
    code: str | None = None
    code_verifier: str | None = None
    redirect_uri: str | None = None
    refresh_token: str | None = None

    def __repr__(self) -> str:
        # Codes, verifiers and tokens are never written down.
        return f"TokenRequest({self.grant_type!r}, scope={self.scope!r}, resources={self.resources!r})"
