"""The authorization code flow's second half: a code for tokens.

Implements: RFC 6749 §4.1.3; RFC 7636 §4.5, §4.6; OAuth 2.1 §4.1.3; OpenID Connect Core 1.0 §3.1.3.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from watchword.protocol import pkce
from watchword.protocol.errors import InvalidGrant, InvalidRequest, OAuthError
from watchword.protocol.scope import Scope
from watchword.protocol.token_response import TokenResponse
from watchword.server.domain import claims_request
from watchword.server.domain.audit import CodeReplayed
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types import authorization_code as rule
from watchword.server.domain.grant_types.refresh_token import Refused
from watchword.server.flows import allowance, minting, session_start
from watchword.server.flows.allowance import Granted
from watchword.server.flows.directory import Offer
from watchword.server.flows.endings import end_grant
from watchword.server.flows.grant_types.request import TokenRequest
from watchword.server.flows.parts import Parts
from watchword.server.ports.transaction import Writing


async def redeem(parts: Parts, client: Client, request: TokenRequest) -> TokenResponse:
    """Tokens for an authorization code.

    Raises:
        InvalidGrant: unknown, expired, used, another client's, or without the right verifier.
        InvalidRequest: code or verifier is missing or malformed.
    """
    presented = _presentation(client, request)
    now = request.now
    offer = await parts.directory.offer(now=now)
    async with parts.storage.write() as tx:
        outcome = await _redeem_row(parts, tx, client, offer, request, presented)
    # A replay that ended a grant is committed by now; only then it is refused.
    if isinstance(outcome, OAuthError):
        raise outcome
    return minting.for_user(
        parts,
        outcome.grant,
        outcome.standing,
        offer=offer,
        audience=outcome.audience,
        scope=outcome.scope,
        answer=session_start.first_token(client),
        now=now,
        nonce=outcome.nonce,
        about=outcome.about,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Redeemed:
    grant: Grant
    standing: Standing
    audience: str
    scope: Scope
    nonce: str | None
    about: dict[str, Any]


async def _redeem_row(
    parts: Parts, tx: Writing, client: Client, offer: Offer, request: TokenRequest, presented: rule.Presentation
) -> _Redeemed | OAuthError:
    now = request.now
    code_hash = hashlib.sha256((request.code or "").encode()).digest()
    # Users come before codes in the order of locks, and only the code tells whose it is.
    seen = await tx.code(code_hash)
    user = None if seen is None else await tx.lock_user(seen.authentication.sub)
    code = None if seen is None else await tx.lock_code(code_hash)
    if code is None:
        return InvalidGrant(slug="code.unknown", detail="no such code, or swept after its end")
    judgement = rule.judge(code, presented, now=now, overlap=parts.lifetimes.overlap)
    if isinstance(judgement, rule.Refuse):
        return InvalidGrant(slug=judgement.slug)
    if isinstance(judgement, rule.Replayed):
        await _end_replayed(tx, judgement.gid, client_id=client.client_id, now=now)
        return InvalidGrant(slug="code.replayed", detail="used again from elsewhere; its grant was ended")
    if not await _still_consented(tx, code, client):
        return InvalidGrant(slug="code.consent_withdrawn", detail="the user took the consent back since")
    roles = frozenset[str]() if user is None else user.roles
    allowed = allowance.allow(
        Granted(scope=code.scope, audiences=code.audiences, roles=roles),
        client=client,
        offer=offer,
        issuer=parts.issuer,
        asked=minting.asked_scope(None),
        resources=request.resources,
    )
    if isinstance(allowed, Refused):
        return allowance.error_of(allowed)
    beginning = session_start.Beginning(
        authentication=code.authentication,
        client=client,
        scope=code.scope,
        audiences=code.audiences,
        device=code.device,
        now=now,
    )
    grant, standing = await session_start.start(parts, tx, beginning, sid=code.sid)
    mark = None if request.caller is None else request.caller.mark
    await tx.put_code(replace(code, redeemed_at=now, redeemed_by=mark, gid=grant.gid))
    told = {} if user is None else claims_request.about(user, code.scope)
    return _Redeemed(
        grant=grant,
        standing=standing,
        audience=allowed[0],
        scope=allowed[1],
        nonce=code.nonce,
        about={name: told[name] for name in code.id_token_claims if name in told},
    )


async def _still_consented(tx: Writing, code: rule.AuthorizationCode, client: Client) -> bool:
    """Whether what the user allowed stands; his row is locked, so a withdrawal comes wholly before or after."""
    if client.first_party or code.sid is None:
        return True
    consent = await tx.consent(code.authentication.sub, client.client_id)
    return consent is not None and code.scope <= consent.scope and set(code.audiences) <= set(consent.audiences)


def _presentation(client: Client, request: TokenRequest) -> rule.Presentation:
    if not request.code:
        raise InvalidRequest("code is missing", slug="token.missing_parameter")
    if not request.code_verifier and client.requires_pkce:
        raise InvalidRequest("code_verifier is missing", slug="token.missing_parameter")
    try:
        verifier = pkce.parse_verifier(request.code_verifier) if request.code_verifier else None
    except ValueError as error:
        raise InvalidRequest(str(error), slug="code.malformed_verifier") from None
    return rule.Presentation(
        client_id=client.client_id, code_verifier=verifier, redirect_uri=request.redirect_uri, caller=request.caller
    )


async def _end_replayed(tx: Writing, gid: str, *, client_id: str, now: float) -> None:
    found = await tx.grant_by_gid(gid)
    if found is None:
        return
    locked = await tx.lock_grant(found[0].id)
    if locked is not None:
        await end_grant(tx, locked[0], reason="code_replayed", now=now)
        await tx.record(CodeReplayed(gid=gid, client_id=client_id), now=now)
