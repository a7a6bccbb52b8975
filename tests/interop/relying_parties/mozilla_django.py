"""A Django application that signs its users in with mozilla-django-oidc.

This client asks for no refresh token: its middleware renews a sign-in by ``prompt=none``.
"""

from typing import Any
from urllib.parse import urlencode

import django
import requests
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.urls import path
from surroundings import CLIENT_ID, CLIENT_SECRET, COOKIE_SECRET, DISCOVERY, SCOPE, SIGNED_OUT, serve_wsgi

server: dict[str, Any] = requests.get(DISCOVERY, timeout=10).json()
settings.configure(
    SECRET_KEY=COOKIE_SECRET,
    ALLOWED_HOSTS=["localhost"],
    DEBUG_PROPAGATE_EXCEPTIONS=True,
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "mozilla_django_oidc",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "mozilla_django_oidc.middleware.SessionRefresh",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "party.db"}},
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    LOGIN_REDIRECT_URL="/",
    LOGOUT_REDIRECT_URL="/signed-out",
    ALLOW_LOGOUT_GET_METHOD=True,
    OIDC_RP_CLIENT_ID=CLIENT_ID,
    OIDC_RP_CLIENT_SECRET=CLIENT_SECRET,
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_RP_SCOPES=SCOPE,
    OIDC_OP_AUTHORIZATION_ENDPOINT=server["authorization_endpoint"],
    OIDC_OP_TOKEN_ENDPOINT=server["token_endpoint"],
    OIDC_OP_USER_ENDPOINT=server["userinfo_endpoint"],
    OIDC_OP_JWKS_ENDPOINT=server["jwks_uri"],
    OIDC_TOKEN_USE_BASIC_AUTH=True,
    OIDC_USE_PKCE=True,
    OIDC_STORE_ACCESS_TOKEN=True,
    OIDC_STORE_ID_TOKEN=True,
    OIDC_EXEMPT_URLS=["/refresh", "/signed-out"],
    OIDC_OP_LOGOUT_URL_METHOD="__main__.logout_url",
)
django.setup()


def home(request: HttpRequest) -> JsonResponse:
    from django.contrib.auth.models import User

    tokens = {name: request.session.get(f"oidc_{name}") for name in ("access_token", "id_token")}
    user = User.objects.filter(pk=request.user.pk).first()
    claims = None if user is None else {"email": user.email, "users": User.objects.count()}
    return JsonResponse({"claims": claims, **tokens})


def refresh(request: HttpRequest) -> HttpResponseRedirect:
    request.session["oidc_id_token_expiration"] = 0
    return HttpResponseRedirect("/")


def userinfo(request: HttpRequest) -> JsonResponse:
    bearer = {"Authorization": f"Bearer {request.session['oidc_access_token']}"}
    return JsonResponse(requests.get(server["userinfo_endpoint"], headers=bearer, timeout=10).json())


def signed_out(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"signed_out": True})


def logout_url(request: HttpRequest) -> str:
    """Where the client's own sign-out view sends the browser."""
    wanted = {"id_token_hint": request.session["oidc_id_token"], "post_logout_redirect_uri": SIGNED_OUT}
    return f"{server['end_session_endpoint']}?{urlencode(wanted)}"


if __name__ == "__main__":
    from mozilla_django_oidc import views

    urlpatterns = [
        path("", home),
        path("sign-in", views.OIDCAuthenticationRequestView.as_view(), name="oidc_authentication_init"),
        path("callback", views.OIDCAuthenticationCallbackView.as_view(), name="oidc_authentication_callback"),
        path("refresh", refresh),
        path("userinfo", userinfo),
        path("sign-out", views.OIDCLogoutView.as_view(), name="oidc_logout"),
        path("signed-out", signed_out),
    ]
    call_command("migrate", verbosity=0)
    serve_wsgi(get_wsgi_application())
