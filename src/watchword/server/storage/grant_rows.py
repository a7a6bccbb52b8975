"""Rows to things and back: sessions, grants with what they stand on, authorization codes."""

from typing import Any, Final

from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.session import Authentication, Session
from watchword.server.storage.rows import gathered, pack, scope_of, unpack
from watchword.server.storage.statement import Row

# A session whose row is gone was swept or deleted: in either case it is over.
GONE: Final = "session_ended"


def session_of(row: Row) -> Session:
    """A session."""
    sid, sub, epoch, auth_time, acr, amr, device, created_at, expires_at, ended_at, ended_reason = row[:11]
    cookie_hash, idle, last_seen_at, opened_in = row[11:]
    return Session(
        sid=sid,
        sub=sub,
        epoch=epoch,
        auth_time=auth_time,
        acr=acr,
        amr=unpack(amr),
        device=device,
        created_at=created_at,
        expires_at=expires_at,
        cookie_hash=cookie_hash,
        idle=idle,
        last_seen_at=last_seen_at,
        ended_at=ended_at,
        ended_reason=ended_reason,
        opened_in=opened_in,
    )


def of_session(session: Session) -> dict[str, Any]:
    """The columns of a session."""
    return {
        "sid": session.sid,
        "sub": session.sub,
        "epoch": session.epoch,
        "auth_time": session.auth_time,
        "acr": session.acr,
        "amr": pack(session.amr),
        "device": session.device,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "ended_at": session.ended_at,
        "ended_reason": session.ended_reason,
        "ends_at": session.expires_at if session.ended_at is None else session.ended_at,
        "cookie_hash": session.cookie_hash,
        "idle": session.idle,
        "last_seen_at": session.last_seen_at,
        "opened_in": session.opened_in,
    }


def grant_of(row: Row) -> Grant:
    """A grant, from the first 21 columns."""
    (id_, gid, sid, sub, client_id, scope, audiences, created_at, last_used_at, idle, absolute_end) = row[:11]
    (generation, branch, forks, redeemed_at, redeemed_by, forked_by, shadows, shadowed, ended_at, reason) = row[11:21]
    auth_time, acr, amr = row[21:24]
    return Grant(
        id=id_,
        gid=gid,
        sid=sid,
        sub=sub,
        client_id=client_id,
        scope=scope_of(scope),
        audiences=unpack(audiences),
        created_at=created_at,
        last_used_at=last_used_at,
        idle=idle,
        absolute_end=absolute_end,
        generation=generation,
        branch=branch,
        forks=forks,
        redeemed_at=redeemed_at,
        redeemed_by=redeemed_by,
        forked_by=forked_by,
        shadows=shadows,
        shadowed_generation=shadowed,
        ended_at=ended_at,
        ended_reason=reason,
        auth_time=auth_time or 0,
        acr=acr or "",
        amr=unpack(amr) if amr else (),
    )


def of_grant(grant: Grant) -> dict[str, Any]:
    """The columns of a grant."""
    return {
        "id": grant.id,
        "gid": grant.gid,
        "sid": grant.sid,
        "sub": grant.sub,
        "client_id": grant.client_id,
        "scope": str(grant.scope),
        "audiences": pack(grant.audiences),
        "created_at": grant.created_at,
        "last_used_at": grant.last_used_at,
        "idle": grant.idle,
        "absolute_end": grant.absolute_end,
        "generation": grant.generation,
        "branch": grant.branch,
        "forks": grant.forks,
        "redeemed_at": grant.redeemed_at,
        "redeemed_by": grant.redeemed_by,
        "forked_by": grant.forked_by,
        "shadows": grant.shadows,
        "shadowed_generation": grant.shadowed_generation,
        "ended_at": grant.ended_at,
        "ended_reason": grant.ended_reason,
        "ends_at": grant.absolute_end if grant.ended_at is None else grant.ended_at,
        "auth_time": grant.auth_time,
        "acr": grant.acr,
        "amr": pack(grant.amr),
    }


def standing_of(row: Row) -> Standing:
    """What a grant stands on, from the columns behind the grant's own.

    A session counts as ended when somebody ended it. That a browser's session ran out, idle or absolute, asks for a new
    sign-in there and ends no grant: grants have ends of their own.
    """
    user_enabled, user_epoch, roles, session_epoch, ended_at, reason, opened_in, client_enabled = row[24:]
    ended = session_epoch is None or ended_at is not None
    return Standing(
        user_enabled=bool(user_enabled),
        user_epoch=user_epoch or 0,
        user_roles=gathered(roles),
        session_epoch=session_epoch or 0,
        session_ended_reason=(reason or GONE) if ended else None,
        client_enabled=bool(client_enabled),
        session_opened_in=opened_in,
    )


def code_of(row: Row) -> AuthorizationCode:
    """An authorization code."""
    (code_hash, client_id, sub, epoch, auth_time, acr, amr, scope, audiences, challenge, expires_at, device) = row[:12]
    redirect_uri, nonce, sid, redeemed_at, redeemed_by, gid, id_token_claims = row[12:]
    return AuthorizationCode(
        code_hash=code_hash,
        client_id=client_id,
        authentication=Authentication(sub=sub, epoch=epoch, auth_time=auth_time, acr=acr, amr=unpack(amr)),
        scope=scope_of(scope),
        audiences=unpack(audiences),
        code_challenge=challenge,
        expires_at=expires_at,
        device=device,
        redirect_uri=redirect_uri,
        nonce=nonce,
        sid=sid,
        redeemed_at=redeemed_at,
        redeemed_by=redeemed_by,
        gid=gid,
        id_token_claims=unpack(id_token_claims),
    )


def of_code(code: AuthorizationCode) -> dict[str, Any]:
    """The columns of an authorization code."""
    who = code.authentication
    return {
        "code_hash": code.code_hash,
        "client_id": code.client_id,
        "sub": who.sub,
        "epoch": who.epoch,
        "auth_time": who.auth_time,
        "acr": who.acr,
        "amr": pack(who.amr),
        "scope": str(code.scope),
        "audiences": pack(code.audiences),
        "code_challenge": code.code_challenge,
        "expires_at": code.expires_at,
        "device": code.device,
        "redirect_uri": code.redirect_uri,
        "nonce": code.nonce,
        "sid": code.sid,
        "redeemed_at": code.redeemed_at,
        "redeemed_by": code.redeemed_by,
        "gid": code.gid,
        "id_token_claims": pack(code.id_token_claims),
    }
