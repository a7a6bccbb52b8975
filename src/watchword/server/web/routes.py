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
    "/authorize": Route({"GET": authorize.authorize, "POST": authorize.authorize}),
    "/authorize/resume": Route({"GET": authorize.resume}),
    "/login": Route({"GET": login.login, "POST": login.login}),
    "/login/passkey": Route({"GET": passkey_sign_in.renew, "POST": passkey_sign_in.sign_in}),
    "/login/second-step": Route({"GET": second_step, "POST": second_step}),
    "/sign-up": Route({"GET": sign_up, "POST": sign_up}),
    "/consent": Route({"POST": authorize.consent}),
    "/end_session": Route({"GET": end_session, "POST": end_session}),
    "/account": Route({"GET": account.show}),
    "/account/password": Route({"POST": account.change_password}),
    "/account/passkeys": Route({"POST": passkeys.add}),
    "/account/passkeys/new": Route({"GET": passkeys.new}),
    "/account/passkeys/remove": Route({"POST": passkeys.remove}),
    "/account/totp": Route({"GET": authenticator_app.set_up, "POST": authenticator_app.set_up}),
    "/account/totp/remove": Route({"POST": authenticator_app.turn_off}),
    "/account/recovery-codes": Route({"POST": authenticator_app.make_codes}),
    "/account/email": Route({"POST": account_email.change}),
    "/account/email/send": Route({"POST": account_email.send_again}),
    "/account/end-session": Route({"POST": account.end_session}),
    "/account/everywhere": Route({"POST": account.everywhere}),
    "/account/remove-application": Route({"POST": account.remove_application}),
    "/forgot-password": Route({"GET": forgot_password, "POST": forgot_password}),
    # Whoever looks into a mail for the user fetches its links, so GET must not do anything there.
    "/link": Route(_read_only(link)),
    "/reset-password": Route({"GET": reset_password, "POST": reset_password}),
    "/verify-email": Route({"GET": verify_email.show, "POST": verify_email.accept}),
    "/par": Route({"POST": par}, challenge="Basic"),
    "/static/": Route(_read_only(static)),
    "/revocations": Route(_read_only(revocations), challenge="Basic", vital=True),
    "/healthz": Route(_read_only(health.healthz), vital=True),
    "/readyz": Route(_read_only(health.readyz), vital=True),
}
