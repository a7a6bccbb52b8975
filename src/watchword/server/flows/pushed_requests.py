"""Pushed authorization requests: the client sends the request itself, and the browser carries only its name.

Implements: RFC 9126 §2, §2.1, §2.2.
"""

import hashlib

from watchword.protocol import base64url
from watchword.protocol.errors import InvalidRequest
from watchword.server.domain.authorization_steps import NotToBeRedirected, ToTheClient, World, known, understand
from watchword.server.domain.pushed_request import LIFETIME, PREFIX, PushedRequest
from watchword.server.domain.travelling_request import Parameters
from watchword.server.flows.authorize import hinted_sub
from watchword.server.flows.client_authentication import ClientCredentials, authenticate
from watchword.server.flows.factors import classes_here
from watchword.server.flows.parts import Parts

_HANDLE_BYTES = 32


async def push(parts: Parts, credentials: ClientCredentials, parameters: Parameters) -> tuple[str, int]:
    """The request URI for ``parameters``, and for how many seconds it is good.

    Raises:
        InvalidClient: the client did not prove to be itself.
        InvalidRequest: a ``request_uri`` inside (RFC 9126 §2.1), or an unknown redirect URI.
        RequestTooLarge: it could not be finished (RFC 9126 §2.3).
        OAuthError: as the authorization endpoint would refuse the request.
    """
    now = parts.clock.now()
    client = await authenticate(parts, credentials, now=now)
    if any(name == "request_uri" for name, _ in parameters):
        raise InvalidRequest("request_uri must not be pushed", slug="par.request_uri")
    # The client is who authenticated, whatever the body says; credentials are not part of the request.
    asked = tuple((name, value) for name, value in known(parameters) if name != "client_id")
    kept = (("client_id", client.client_id), *asked)
    hints = [value for name, value in kept if name == "id_token_hint"]
    world = World(
        client=client,
        catalog=(await parts.directory.offer(now=now)).catalog,
        issuer=parts.issuer,
        hinted_sub=hinted_sub(parts, hints[0]) if len(hints) == 1 else None,
        classes=classes_here(parts),
    )
    try:
        understand(kept, world)
    except NotToBeRedirected as refusal:
        raise InvalidRequest(str(refusal), slug=f"par.{refusal.problem}") from None
    except ToTheClient as refusal:
        raise refusal.error from None
    uri = PREFIX + base64url.encode(parts.entropy.draw(_HANDLE_BYTES))
    request = PushedRequest(
        handle_hash=hashlib.sha256(uri.encode()).digest(),
        client_id=client.client_id,
        parameters=kept,
        expires_at=now + LIFETIME,
    )
    async with parts.storage.write() as tx:
        await tx.add_pushed_request(request)
    return uri, LIFETIME
