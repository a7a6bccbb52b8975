"""All paths, and which web origins may read what. Reading this table is reading what is offered."""

from typing import Final

from watchword.protocol.metadata import OAUTH_PATH, OPENID_PATH
from watchword.server.web import account, authorize, health, login, session
from watchword.server.web.authorize_challenge import authorize_challenge
from watchword.server.web.discovery import discovery
from watchword.server.web.edge import Route
from watchword.server.web.end_session import end_session
from watchword.server.web.introspect import introspect
from watchword.server.web.jwks import jwks
from watchword.server.web.par import par
from watchword.server.web.revocations import revocations
from watchword.server.web.revoke import revoke
from watchword.server.web.static_file import static
from watchword.server.web.token import token
from watchword.server.web.userinfo import userinfo
from watchword.server.web.users import users

ROUTES: Final[dict[str, Route]] = {
    "/token": Route({"POST": token}, sharing="origins", challenge="Basic"),
    "/introspect": Route({"POST": introspect}, challenge="Basic"),
    "/jwks": Route({"GET": jwks}, sharing="everybody", vital=True),
    OPENID_PATH: Route({"GET": discovery}, sharing="everybody", vital=True),
    OAUTH_PATH: Route({"GET": discovery}, sharing="everybody", vital=True),
    "/session": Route({"POST": session.start, "DELETE": session.end}, sharing="origins with cookies"),
    "/session/refresh": Route({"POST": session.refresh}, sharing="origins with cookies"),
    "/session/end": Route({"POST": session.end}, sharing="origins with cookies"),
    "/users": Route({"POST": users}, sharing="origins"),
    "/authorize-challenge": Route({"POST": authorize_challenge}, sharing="origins", challenge="Basic"),
    "/revoke": Route({"POST": revoke}, sharing="origins", challenge="Basic"),
    "/userinfo": Route({"GET": userinfo, "POST": userinfo}, sharing="origins"),
    "/authorize": Route({"GET": authorize.authorize, "POST": authorize.authorize}),
    "/authorize/resume": Route({"GET": authorize.resume}),
    "/login": Route({"GET": login.login, "POST": login.login}),
    "/sign-up": Route({"GET": login.sign_up, "POST": login.sign_up}),
    "/consent": Route({"POST": authorize.consent}),
    "/end_session": Route({"GET": end_session, "POST": end_session}),
    "/account": Route({"GET": account.show}),
    "/account/password": Route({"POST": account.change_password}),
    "/account/end-session": Route({"POST": account.end_session}),
    "/account/everywhere": Route({"POST": account.everywhere}),
    "/account/remove-application": Route({"POST": account.remove_application}),
    "/par": Route({"POST": par}, challenge="Basic"),
    "/static/": Route({"GET": static}),
    "/revocations": Route({"GET": revocations}, challenge="Basic", vital=True),
    "/healthz": Route({"GET": health.healthz}, vital=True),
    "/readyz": Route({"GET": health.readyz}, vital=True),
}
