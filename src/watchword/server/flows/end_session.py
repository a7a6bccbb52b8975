"""Sign-out begun by an application: whether the user is asked, and where the browser goes afterwards.

The session that may end is the one whose cookie the browser holds. An ID token ends none: it lies in applications, logs
and histories, and says only that this very session is meant.

Implements: OpenID Connect RP-Initiated Logout 1.0 §2, §3, §4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from watchword.protocol import id_token, jws
from watchword.protocol.rejection import TokenRejected
from watchword.server.domain.client import Client
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant
from watchword.server.flows.endings import end_session
from watchword.server.flows.parts import Parts


class BadLogout(Exception):
    """The request is no good: an error page is shown, and nothing ends. ``problem`` names the page."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    """A sign-out as it was understood.

    Attributes:
        client: the application, if it said who it is.
        continue_url: where to go afterwards, with the state; None to stay.
        confirmed: the application proved by an ID token that it means this very session, so nobody need be asked.
    """

    client: Client | None
    continue_url: str | None
    confirmed: bool


async def understand(
    parts: Parts, parameters: Sequence[tuple[str, str]], session: Session | None, *, now: Instant
) -> Logout:
    """What the parameters of the end-session endpoint ask for, in a browser that holds ``session``.

    Raises:
        BadLogout: a parameter twice, a foreign hint, or an address that is not registered.
    """
    values = dict(parameters)
    if len(values) != len(parameters):
        raise BadLogout("bad_request", "a parameter is there twice")
    hint = _hint(parts, values["id_token_hint"]) if values.get("id_token_hint") else None
    client_id = values.get("client_id") or None
    if hint is not None and client_id is not None and client_id != hint[0]:
        raise BadLogout("bad_request", "client_id and id_token_hint name two applications")
    named = client_id or (hint[0] if hint is not None else None)
    client = await parts.directory.client(named, now=now) if named is not None else None
    target = values.get("post_logout_redirect_uri") or None
    # §3: the address must be one that the client registered, character by character.
    if target is not None and (client is None or target not in client.post_logout_redirect_uris):
        raise BadLogout("bad_redirect_uri", "post_logout_redirect_uri is not one of the client's")
    confirmed = hint is not None and session is not None and hint[1] == session.sid
    return Logout(client=client, continue_url=_with_state(target, values.get("state") or None), confirmed=confirmed)


async def sign_out_browser(parts: Parts, sid: str, *, now: Instant) -> None:
    """End a session, and with it the grants within it."""
    async with parts.storage.write() as tx:
        session = await tx.lock_session(sid)
        if session is not None:
            await end_session(tx, session, reason="signed_out", now=now)


def _hint(parts: Parts, token: str) -> tuple[str, str | None]:
    """Client and session of an ID token of ours; an expired one is fine (§2)."""
    try:
        _, claims = jws.verify(token, parts.signer.recognise, typ=id_token.TYP.lower())
    except TokenRejected:
        raise BadLogout("bad_request", "id_token_hint is no ID token of this issuer") from None
    client_id, sid = claims.get("aud"), claims.get("sid")
    if claims.get("iss") != parts.issuer or not isinstance(client_id, str):
        raise BadLogout("bad_request", "id_token_hint is no ID token of this issuer")
    return client_id, sid if isinstance(sid, str) else None


def _with_state(target: str | None, state: str | None) -> str | None:
    if target is None or state is None:
        return target
    return f"{target}{'&' if '?' in target else '?'}{urlencode({'state': state})}"
