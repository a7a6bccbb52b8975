"""Living access tokens on a node that has not heard of their key yet."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.cast import CLIENT_SECRET
from tests.support.databases import SECRETS
from tests.support.door import Door
from tests.support.rfc import rfc

from watchword.protocol.access_token import ANY_AUDIENCE
from watchword.protocol.rejection import TokenRejected
from watchword.server.adapters.local_signer import LocalSigner
from watchword.server.adapters.sealing import Sealing
from watchword.server.adapters.system_entropy import SystemEntropy
from watchword.server.flows import key_ring
from watchword.server.flows.client_authentication import ClientCredentials
from watchword.server.flows.introspect import introspect
from watchword.server.flows.live_token import verify_live
from watchword.server.flows.revoke import revoke
from watchword.server.ports.storage import StorageUnavailable

BACKEND = ClientCredentials("backend", "client_secret_basic", CLIENT_SECRET)


async def token_of_a_key_unknown_here(door: Door) -> str:
    """The second node makes keys, signs with one of them, and the first node has not looked since."""
    there = door.nodes[1].parts
    for _ in range(2):
        # The first rotation lets a key sign that everybody knows.
        await key_ring.rotate(there.storage, there.signer, now=door.clock.now())
    door._turn = 1
    http = door.caller()
    http.auth = ("backend", CLIENT_SECRET)
    tokens = await door.sign_in(http, client_id="backend")
    return str(tokens["access_token"])


@rfc("7662", "2.2")
async def test_introspection_knows_a_key_that_another_node_made_a_moment_ago(two_nodes: Door) -> None:
    token = await token_of_a_key_unknown_here(two_nodes)
    told = await introspect(two_nodes.nodes[0].parts, BACKEND, token)
    assert told["active"] is True


@rfc("7009", "2")
async def test_a_token_of_a_key_that_another_node_made_a_moment_ago_is_revoked(two_nodes: Door) -> None:
    token = await token_of_a_key_unknown_here(two_nodes)
    await revoke(two_nodes.nodes[0].parts, BACKEND, token)
    told = await introspect(two_nodes.nodes[1].parts, BACKEND, token)
    assert told["active"] is False


async def test_tokens_of_keys_that_nobody_has_cost_few_reads(door: Door) -> None:
    parts, now = door.parts, door.clock.now()
    stranger = LocalSigner(Sealing(SECRETS, SystemEntropy()))
    stranger.load([replace(await stranger.make("ES256", now=now), state="signing")])
    token = stranger.sign({"iss": parts.issuer}, typ="at+jwt", alg="ES256")
    door.trouble.listen()

    async def judged() -> str:
        with pytest.raises(TokenRejected) as rejected:
            await verify_live(parts, token, audiences=ANY_AUDIENCE, now=now)
        return rejected.value.reason

    assert set(await asyncio.gather(*(judged() for _ in range(100)))) == {"token.unknown_key"}
    assert door.trouble.operations.count("keys") == 1


async def test_whether_a_key_is_ours_is_not_guessed_without_the_database(two_nodes: Door) -> None:
    token = await token_of_a_key_unknown_here(two_nodes)
    two_nodes.trouble.down = True
    parts = two_nodes.nodes[0].parts
    with pytest.raises(StorageUnavailable):
        await verify_live(parts, token, audiences=ANY_AUDIENCE, now=two_nodes.clock.now())
