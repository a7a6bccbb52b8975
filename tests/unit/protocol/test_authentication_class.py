"""The ladder of authentication context classes."""

import pytest
from tests.support.rfc import rfc

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR, LADDER, satisfies

FOREIGN = "urn:example:acr:smart-card"


def test_the_ladder_leads_from_the_password_to_the_passkey() -> None:
    assert LADDER == (ACR_PASSWORD, ACR_TWO_FACTOR, ACR_PASSKEY)


@pytest.mark.parametrize("acr", [*LADDER, FOREIGN, ""])
def test_who_asks_for_nothing_is_content_with_anything(acr: str) -> None:
    assert satisfies(acr, ())


@pytest.mark.parametrize("wanted", LADDER)
@pytest.mark.parametrize("acr", LADDER)
def test_a_class_satisfies_itself_and_all_below_it(acr: str, wanted: str) -> None:
    assert satisfies(acr, [wanted]) is (LADDER.index(acr) >= LADDER.index(wanted))


@rfc("9470", "3")
def test_any_one_of_several_wanted_classes_will_do() -> None:
    assert satisfies(ACR_TWO_FACTOR, [ACR_PASSKEY, ACR_TWO_FACTOR])
    assert satisfies(ACR_PASSWORD, (one for one in (FOREIGN, ACR_PASSWORD)))
    assert not satisfies(ACR_PASSWORD, [ACR_PASSKEY, ACR_TWO_FACTOR, FOREIGN])


def test_a_class_of_others_is_met_by_itself_alone() -> None:
    assert satisfies(FOREIGN, [ACR_PASSKEY, FOREIGN])
    assert not satisfies(ACR_PASSKEY, [FOREIGN])
    assert not satisfies(FOREIGN, [ACR_PASSWORD])
    assert not satisfies(FOREIGN.upper(), [FOREIGN])


def test_a_sign_in_of_no_known_class_satisfies_no_demand() -> None:
    assert not satisfies("", [ACR_PASSWORD])
    assert not satisfies("", [FOREIGN])
