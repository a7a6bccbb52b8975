"""A web application that signs its users in with Authlib's Flask client."""

from typing import Any

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect
from surroundings import (
    CALLBACK,
    CLIENT_ID,
    CLIENT_SECRET,
    COOKIE_SECRET,
    DISCOVERY,
    SCOPE,
    SIGNED_OUT,
    serve_wsgi,
)

app = Flask(__name__)
app.config.update(SECRET_KEY=COOKIE_SECRET, SESSION_COOKIE_NAME="party")
watchword = OAuth(app).register(
    "watchword",
    server_metadata_url=DISCOVERY,
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    client_kwargs={"scope": SCOPE, "code_challenge_method": "S256"},
)
signed_in: dict[str, Any] = {}


def home() -> Any:
    names = ("access_token", "refresh_token", "id_token")
    return jsonify({"claims": signed_in.get("userinfo"), **{name: signed_in.get(name) for name in names}})


def sign_in() -> Any:
    return watchword.authorize_redirect(CALLBACK)


def callback() -> Any:
    signed_in.update(watchword.authorize_access_token())
    return redirect("/")


def refresh() -> Any:
    fresh = watchword.fetch_access_token(grant_type="refresh_token", refresh_token=signed_in["refresh_token"])
    signed_in.update(fresh)
    return redirect("/")


def userinfo() -> Any:
    return jsonify(watchword.userinfo(token=signed_in))


def sign_out() -> Any:
    return watchword.logout_redirect(SIGNED_OUT, id_token_hint=signed_in["id_token"])


def signed_out() -> Any:
    watchword.validate_logout_response()
    signed_in.clear()
    return jsonify({"signed_out": True})


app.add_url_rule("/", view_func=home)
for view in (sign_in, callback, refresh, userinfo, sign_out, signed_out):
    app.add_url_rule(f"/{view.__name__.replace('_', '-')}", view_func=view)

if __name__ == "__main__":
    serve_wsgi(app)
