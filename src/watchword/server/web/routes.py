"""All paths, and which web origins may read what. Reading this table is reading what is offered."""

from typing import Final

from watchword.protocol.metadata import OAUTH_PATH, OPENID_PATH
from watchword.server.web import (
    account,
    account_email,
    authenticator_app,
    authorize,
    health,
    login,
    passkey_sign_in,
    passkeys,
    session,
    verify_email,
)
from watchword.server.web.authorize_challenge import authorize_challenge
from watchword.server.web.context import Endpoint
from watchword.server.web.discovery import discovery
from watchword.server.web.edge import Route
from watchword.server.web.end_session import end_session
from watchword.server.web.forgot_password import forgot_password
from watchword.server.web.introspect import introspect
from watchword.server.web.jwks import jwks
from watchword.server.web.links import link
from watchword.server.web.par import par
from watchword.server.web.reset_password import reset_password
from watchword.server.web.revocations import revocations
from watchword.server.web.revoke import revoke
from watchword.server.web.second_step import second_step
from watchword.server.web.sign_up import sign_up
from watchword.server.web.static_file import static
from watchword.server.web.token import token
from watchword.server.web.userinfo import userinfo
from watchword.server.web.users import users


def _read_only(endpoint: Endpoint) -> dict[str, Endpoint]:
    """GET changes nothing there, so HEAD may be answered like it (RFC 9110 §9.3.2)."""
    return {"GET": endpoint, "HEAD": endpoint}


def _for_people(**endpoints: Endpoint) -> Route:
    """A page, or where its form is sent."""
    return Route(endpoints, for_people=True)


ROUTES: Final[dict[str, Route]] = {
    "/token": Route({"POST": token}, sharing="origins", challenge="Basic"),
    "/introspect": Route({"POST": introspect}, challenge="Basic"),
    "/jwks": Route(_read_only(jwks), sharing="everybody", vital=True),
    OPENID_PATH: Route(_read_only(discovery), sharing="everybody", vital=True),
    OAUTH_PATH: Route(_read_only(discovery), sharing="everybody", vital=True),
    "/session": Route({"POST": session.start, "DELETE": session.end}, sharing="origins with cookies"),
    "/session/refresh": Route({"POST": session.refresh}, sharing="origins with cookies"),
    "/session/end": Route({"POST": session.end}, sharing="origins with cookies"),
    "/users": Route({"POST": users}, sharing="origins"),
    "/authorize-challenge": Route({"POST": authorize_challenge}, sharing="origins", challenge="Basic"),
    "/revoke": Route({"POST": revoke}, sharing="origins", challenge="Basic"),
    "/userinfo": Route({**_read_only(userinfo), "POST": userinfo}, sharing="origins"),
    "/authorize": _for_people(GET=authorize.authorize, POST=authorize.authorize),
    "/authorize/resume": _for_people(GET=authorize.resume),
    "/login": _for_people(GET=login.login, POST=login.login),
    "/login/passkey": _for_people(GET=passkey_sign_in.renew, POST=passkey_sign_in.sign_in),
    "/login/second-step": _for_people(GET=second_step, POST=second_step),
    "/sign-up": _for_people(GET=sign_up, POST=sign_up),
    "/consent": _for_people(POST=authorize.consent),
    "/end_session": _for_people(GET=end_session, POST=end_session),
    "/account": _for_people(GET=account.show),
    "/account/password": _for_people(POST=account.change_password),
    "/account/passkeys": _for_people(POST=passkeys.add),
    "/account/passkeys/new": _for_people(GET=passkeys.new),
    "/account/passkeys/remove": _for_people(POST=passkeys.remove),
    "/account/totp": _for_people(GET=authenticator_app.set_up, POST=authenticator_app.set_up),
    "/account/totp/remove": _for_people(POST=authenticator_app.turn_off),
    "/account/recovery-codes": _for_people(POST=authenticator_app.make_codes),
    "/account/email": _for_people(POST=account_email.change),
    "/account/email/send": _for_people(POST=account_email.send_again),
    "/account/end-session": _for_people(POST=account.end_session),
    "/account/everywhere": _for_people(POST=account.everywhere),
    "/account/remove-application": _for_people(POST=account.remove_application),
    "/forgot-password": _for_people(GET=forgot_password, POST=forgot_password),
    # Whoever looks into a mail for the user fetches its links, so GET must not do anything there.
    "/link": _for_people(**_read_only(link)),
    "/reset-password": _for_people(GET=reset_password, POST=reset_password),
    "/verify-email": _for_people(GET=verify_email.show, POST=verify_email.accept),
    "/par": Route({"POST": par}, challenge="Basic"),
    "/static/": Route(_read_only(static)),
    "/revocations": Route(_read_only(revocations), challenge="Basic", vital=True),
    "/healthz": Route(_read_only(health.healthz), vital=True),
    "/readyz": Route(_read_only(health.readyz), vital=True),
}
