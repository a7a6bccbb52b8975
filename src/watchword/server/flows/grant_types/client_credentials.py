"""The client credentials grant: a client's token for itself.

Implements: RFC 6749 §4.4, §4.4.3; RFC 8707 §2.2.
"""

from watchword.protocol.token_response import TokenResponse
from watchword.server.domain.client import Client
from watchword.server.flows import minting
from watchword.server.flows.grant_types.request import TokenRequest
from watchword.server.flows.parts import Parts


async def issue(parts: Parts, client: Client, request: TokenRequest) -> TokenResponse:
    """A token for the client. Touches no row: what was registered is in the directory."""
    offer = await parts.directory.offer(now=request.now)
    audiences, scope = minting.negotiate(
        parts,
        client,
        offer=offer,
        asked=minting.asked_scope(request.scope),
        resources=minting.one_resource(request.resources),
        roles=None,
    )
    return minting.for_client(parts, client, offer=offer, audience=audiences[0], scope=scope, now=request.now)
