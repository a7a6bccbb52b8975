"""Who hears of an ending, by which messages, and when these are tried again."""

from dataclasses import replace

import pytest
from tests.support.builders import NOW, a_delivery

from watchword.server.domain.backchannel_logout import Listener, deliveries, ended_at, is_taken, listener_of
from watchword.server.domain.delivery import GIVE_UP_AFTER, LONGEST_PAUSE, Delivery, after_failure
from watchword.server.domain.lifetimes import DAY

SHOP = Listener(client_id="shop", target="https://shop.example/out", sub="ada", sid="one")


@pytest.mark.parametrize("sid", ["one", None])
def test_a_delivery_tells_whom_it_is_for(sid: str | None) -> None:
    listener = replace(SHOP, sid=sid)
    [made] = deliveries([listener], occasion="session", now=NOW)
    assert listener_of(made) == listener
    assert ended_at(replace(made, due_at=NOW + 99, tries=3)) == NOW
    assert (made.target, made.due_at, made.expires_at, made.tries) == (SHOP.target, NOW, NOW + DAY, 0)


def test_each_listener_of_each_ending_has_a_delivery_of_its_own() -> None:
    listeners = [
        SHOP,
        replace(SHOP, client_id="desk"),
        replace(SHOP, sid="two"),
        replace(SHOP, sid=None),
        replace(SHOP, sub="bob"),
    ]
    made = [
        one.id for what in ("session", "epoch 1", "epoch 2") for one in deliveries(listeners, occasion=what, now=NOW)
    ]
    assert len(set(made)) == 15


@pytest.mark.parametrize(("status", "taken"), [(200, True), (204, True), (202, False), (302, False), (400, False)])
def test_only_a_client_that_says_so_has_taken_it(status: int, taken: bool) -> None:
    assert is_taken(status) is taken


def test_pauses_double_up_to_half_an_hour_and_the_delivery_is_given_up_at_its_end() -> None:
    waiting: Delivery | None = a_delivery(due_at=NOW, expires_at=NOW + GIVE_UP_AFTER)
    now, pauses = NOW, []
    while waiting is not None:
        last, waiting = waiting, after_failure(waiting, now=now)
        if waiting is not None:
            assert waiting == replace(last, tries=last.tries + 1, due_at=waiting.due_at)
            pauses.append(waiting.due_at - now)
            now = waiting.due_at
    assert pauses[:10] == [5, 10, 20, 40, 80, 160, 320, 640, 1280, LONGEST_PAUSE]
    assert set(pauses[9:]) == {LONGEST_PAUSE}
    assert NOW + DAY - LONGEST_PAUSE <= now < NOW + DAY
