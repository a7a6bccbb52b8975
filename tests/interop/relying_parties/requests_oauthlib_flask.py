"""A web application that signs its users in with requests-oauthlib, and checks the ID token with PyJWT.

The library knows OAuth alone. It is told by its own environment variable, OAUTHLIB_INSECURE_TRANSPORT, that plain http
is meant; the test sets it.
"""

import secrets
from typing import Any

import jwt
import requests
from flask import Flask, jsonify, redirect, request, session
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session
from surroundings import (
    CALLBACK,
    CLIENT_ID,
    CLIENT_SECRET,
    COOKIE_SECRET,
    DISCOVERY,
    ISSUER,
    SCOPE,
    SIGNED_OUT,
    serve_wsgi,
)

app = Flask(__name__)
app.config.update(SECRET_KEY=COOKIE_SECRET, SESSION_COOKIE_NAME="party")
server: dict[str, Any] = requests.get(DISCOVERY, timeout=10).json()
keys = jwt.PyJWKClient(server["jwks_uri"])
signed_in: dict[str, Any] = {}
as_client = HTTPBasicAuth(CLIENT_ID, CLIENT_SECRET)


def home() -> Any:
    names = ("claims", "access_token", "refresh_token", "id_token")
    return jsonify({name: signed_in.get(name) for name in names})


def sign_in() -> Any:
    oauth = OAuth2Session(CLIENT_ID, redirect_uri=CALLBACK, scope=SCOPE.split(), pkce="S256")
    session["nonce"] = secrets.token_urlsafe(16)
    url, session["state"] = oauth.authorization_url(server["authorization_endpoint"], nonce=session["nonce"])
    session["verifier"] = oauth._code_verifier
    return redirect(url)


def callback() -> Any:
    oauth = OAuth2Session(CLIENT_ID, redirect_uri=CALLBACK, scope=SCOPE.split(), state=session.pop("state"))
    signed_in.update(
        oauth.fetch_token(
            server["token_endpoint"],
            authorization_response=request.url,
            auth=as_client,
            code_verifier=session.pop("verifier"),
        )
    )
    key = keys.get_signing_key_from_jwt(signed_in["id_token"])
    claims = jwt.decode(signed_in["id_token"], key, algorithms=["RS256"], audience=CLIENT_ID, issuer=ISSUER)
    if claims["nonce"] != session.pop("nonce"):
        raise PermissionError("the ID token answers another request")
    signed_in["claims"] = claims
    return redirect("/")


def refresh() -> Any:
    oauth = OAuth2Session(CLIENT_ID, token=_token())
    signed_in.update(oauth.refresh_token(server["token_endpoint"], auth=as_client))
    return redirect("/")


def userinfo() -> Any:
    return jsonify(OAuth2Session(CLIENT_ID, token=_token()).get(server["userinfo_endpoint"]).json())


def sign_out() -> Any:
    wanted = {"id_token_hint": signed_in["id_token"], "post_logout_redirect_uri": SIGNED_OUT}
    return redirect(str(requests.Request("GET", server["end_session_endpoint"], params=wanted).prepare().url))


def signed_out() -> Any:
    signed_in.clear()
    return jsonify({"signed_out": True})


def _token() -> dict[str, Any]:
    return {name: value for name, value in signed_in.items() if name != "claims"}


app.add_url_rule("/", view_func=home)
for view in (sign_in, callback, refresh, userinfo, sign_out, signed_out):
    app.add_url_rule(f"/{view.__name__.replace('_', '-')}", view_func=view)

if __name__ == "__main__":
    serve_wsgi(app)
