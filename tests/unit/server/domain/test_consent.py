"""When a user must be asked before an application gets a code."""

from typing import Any

import pytest
from tests.support.cast import confidential, public
from tests.support.rfc import rfc

from watchword.protocol.scope import Scope
from watchword.server.domain.client import Client
from watchword.server.domain.consent import Consent, is_needed

HTTPS = "https://app.example/callback"
API = "https://orders.example"


def given(scope: str = "openid orders.read", *audiences: str) -> Consent:
    return Consent(sub="u", client_id="c", scope=Scope.parse(scope), audiences=audiences or (API,), granted_at=0)


def needed(client: Client, *, uri: str = HTTPS, before: Consent | None, **asked: Any) -> bool:
    wanted: dict[str, Any] = {"scope": Scope.parse("orders.read"), "audiences": (API,), "asked": False, **asked}
    return is_needed(client, redirect_uri=uri, given=before, **wanted)


THIRD = (confidential("c"), public("c", first_party=False))


@pytest.mark.parametrize("client", THIRD)
def test_a_third_party_is_asked_for_once(client: Client) -> None:
    assert needed(client, before=None)
    assert not needed(client, before=given())


@pytest.mark.parametrize("client", THIRD)
def test_more_scope_or_another_audience_is_asked_for_again(client: Client) -> None:
    assert needed(client, before=given("openid"))
    assert needed(client, before=given("orders.read", "https://other.example"))
    assert needed(client, before=given(), scope=Scope.parse("orders.read orders.write"))
    assert needed(client, before=given(), audiences=(API, "https://other.example"))


def test_the_operators_own_application_is_not_asked_for_unless_it_wants_it() -> None:
    own = public("c", first_party=True)
    assert not needed(own, before=None)
    assert not needed(own, before=None, uri="http://127.0.0.1/callback")
    assert needed(own, before=given(), asked=True)


@rfc("8252", "8.6")
@rfc("9700", "4.11.2")
@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:4100/x", "http://localhost/x", "http://[::1]:1/x", "org.example.app:/x"]
)
def test_who_cannot_prove_who_he_is_is_asked_for_every_time(uri: str) -> None:
    assert needed(public("c", first_party=False), uri=uri, before=given())
    # With a secret it can.
    assert not needed(confidential("c"), uri=uri, before=given())


def test_https_on_loopback_proves_nothing_either() -> None:
    assert needed(public("c", first_party=False), uri="https://localhost/x", before=given())
