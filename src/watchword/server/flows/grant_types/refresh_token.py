"""The refresh flow: parse, let storage load the row and the rule decide, answer.

The rule is domain/grant_types/refresh_token; why it is as it is stands in docs/refresh-tokens.md.

Implements: RFC 6749 §6; RFC 9700 §4.14.2; RFC 8707 §2.2; OpenID Connect Core 1.0 §12.
"""

from typing import TypeAlias

from watchword.protocol.errors import InvalidClient, InvalidGrant, InvalidRequest
from watchword.protocol.scope import Scope
from watchword.protocol.token_response import TokenResponse
from watchword.server.domain import refresh_token, revocation
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types import refresh_token as rule
from watchword.server.flows import allowance, minting
from watchword.server.flows.allowance import Granted
from watchword.server.flows.grant_types.request import TokenRequest
from watchword.server.flows.parts import Parts
from watchword.server.ports.storage import Decision

# Named here: an annotation inside of a function is worked out each time that the function is called.
_Allowed: TypeAlias = "tuple[str, Scope] | rule.Refused"
_Decision: TypeAlias = Decision[rule.Outcome]


async def refresh(parts: Parts, client: Client, request: TokenRequest) -> TokenResponse:
    """New tokens for a refresh token.

    Raises:
        InvalidGrant: invalid, expired, superseded, ended, or another client's.
        InvalidScope, InvalidTarget: more than was granted; the token is not spent.
    """
    now = request.now
    if not request.refresh_token:
        raise InvalidRequest("refresh_token is missing", slug="token.missing_parameter")
    try:
        token = refresh_token.parse(request.refresh_token, parts.secrets, now=now)
    except refresh_token.InvalidRefreshToken as error:
        slug = "refresh.expired" if error.expired else "refresh.invalid"
        raise InvalidGrant(slug=slug, detail=str(error)) from None
    offer = await parts.directory.offer(now=now)
    asked = _asked_scope(request.scope)
    presented = rule.Presentation(
        token=token,
        client_id=client.client_id,
        caller=request.caller,
        now=now,
        policy=rule.Policy.of(client, parts.lifetimes.overlap),
    )

    def allow(grant: Grant, standing: Standing) -> _Allowed:
        granted = Granted(scope=grant.scope, audiences=grant.audiences, roles=standing.user_roles)
        return allowance.allow(
            granted, client=client, offer=offer, issuer=parts.issuer, asked=asked, resources=request.resources
        )

    def decide(grant: Grant, standing: Standing) -> _Decision:
        outcome, row = rule.decide(grant, standing, presented, allow)
        stolen = isinstance(outcome, rule.Theft)
        return Decision(
            outcome,
            at=now,
            grant=row,
            entries=(revocation.of_grant(grant.gid, now=now, longest=offer.longest),) if stolen else (),
            events=rule.events_of(outcome, grant, presented),
        )

    outcome = await parts.storage.redeem(token.grant_id, decide)
    # Whatever changed is committed by now; only then it is said.
    if not isinstance(outcome, rule.Granted):
        raise _refusal(parts, outcome)
    _tell(parts, outcome)
    return minting.for_user(
        parts,
        outcome.grant,
        outcome.standing,
        offer=offer,
        audience=outcome.audience,
        scope=outcome.scope,
        answer=outcome.judgement.answer,
        now=now,
    )


def _asked_scope(text: str | None) -> Scope | None:
    """None for a malformed one: it is refused after reuse was judged, or a thief could look without being seen."""
    try:
        return Scope.parse(text or "")
    except ValueError:
        return None


def _refusal(parts: Parts, outcome: rule.Outcome | None) -> Exception:
    match outcome:
        case None:
            return InvalidGrant(slug="refresh.unknown", detail="the tag is ours, but there is no such grant")
        case rule.Foreign():
            return InvalidGrant(slug="refresh.other_client", detail="issued to another client")
        case rule.Superseded():
            return InvalidGrant(slug="refresh.superseded", detail="an older token of the same caller; the grant lives")
        case rule.Ended(reason="client_disabled"):
            # The grant lives, and clients throw tokens away on invalid_grant.
            return InvalidClient(slug="client.disabled", detail="the client was disabled a moment ago")
        case rule.Ended(reason=reason):
            return InvalidGrant(slug="refresh.ended", detail=f"the grant ended: {reason}")
        case rule.Theft(grant=grant, why=why):
            parts.telemetry.warn(why, gid=grant.gid, client_id=grant.client_id, detail="the grant was ended")
            return InvalidGrant(slug=why, detail="the chain is in two hands; the grant was ended")
        case rule.Refused():
            return allowance.error_of(outcome)
        case _:
            raise AssertionError(outcome)


def _tell(parts: Parts, outcome: rule.Granted) -> None:
    gid, client_id = outcome.grant.gid, outcome.grant.client_id
    match outcome.judgement:
        case rule.Rotate(regressed=True):
            parts.telemetry.warn("refresh.regressed", gid=gid, client_id=client_id, detail="the database lost writes")
        case rule.Rotate(grant=grant):
            parts.telemetry.note("refresh.rotated", gid=gid, client_id=client_id, generation=grant.generation)
        case rule.Converge(shadowed=shadowed):
            told = parts.telemetry.warn if shadowed else parts.telemetry.tell
            told("refresh.shadowed" if shadowed else "refresh.converged", gid=gid, client_id=client_id)
        case rule.Fork(grant=grant, fresh=True):
            parts.telemetry.warn("refresh.fork", gid=gid, client_id=client_id, forks=grant.forks)
        case _:
            pass
