"""A command-line program signs its user in by the browser, at a real server; and what it does not believe."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from tests.support.page_browser import PageBrowser
from tests.support.ready_made import ORDERS
from tests.support.rfc import rfc
from tests.support.running_server import PASSWORD, RunningServer, running

from watchword.client import (
    AsyncTokenSource,
    FileTokenStore,
    Identity,
    Misconfigured,
    SignInAgain,
    TokenSource,
)

SCOPE = "openid profile orders.read"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("browser")) as found:
        found.command(
            *("clients", "create", "cli", "--redirect-uri", "http://127.0.0.1/callback", "--api", ORDERS),
            *("--scope", "openid", "--scope", "profile", "--scope", "orders.read"),
        )
        yield found


def at_work(browser: PageBrowser) -> Callable[[str], None]:
    """Opens an address as a user does who signs in and allows."""

    def opened(url: str) -> None:
        browser.open(url)
        browser.sign_in()

    return opened


def source_of(kind: type[Any], server: RunningServer, **options: Any) -> Any:
    return kind(server.issuer, "cli", scope=SCOPE, **options)


def signed_in(source: Any, **options: Any) -> Identity:
    found = source.sign_in_by_browser(seconds=20, **options)
    identity = asyncio.run(found) if asyncio.iscoroutine(found) else found
    assert isinstance(identity, Identity)
    return identity


@pytest.mark.parametrize("kind", [TokenSource, AsyncTokenSource])
@rfc("8252", "7.3")
def test_a_program_signs_its_user_in_and_goes_on_by_itself(
    server: RunningServer, tmp_path: Path, kind: type[Any]
) -> None:
    browser, store = PageBrowser(), FileTokenStore(tmp_path / "tokens.json")
    with asyncio.Runner() as runner:
        source = source_of(kind, server, store=store)
        identity = signed_in(source, open_browser=at_work(browser))
        token = source.token() if kind is TokenSource else runner.run(source.token())
        another = source.renew(token) if kind is TokenSource else runner.run(source.renew(token))

    assert identity.subject == server.records("users", "show", "ada")["sub"]
    assert identity.issuer == server.issuer
    assert identity.amr == ("pwd",)
    assert another != token, "it refreshes as after any sign-in"
    assert source_of(TokenSource, server, store=store).token() == another, "another process has it too"
    assert PASSWORD not in (tmp_path / "tokens.json").read_text()


@rfc("9700", "4.2.4")
def test_the_browser_is_told_the_truth_and_nothing_leaks_from_its_page(server: RunningServer) -> None:
    browser, over = PageBrowser(), threading.Event()

    def opened(url: str) -> None:
        at_work(browser)(url)
        over.set()

    source_of(TokenSource, server).sign_in_by_browser(open_browser=opened, seconds=20)
    assert over.wait(10)
    assert "You are signed in" in browser.page.text
    assert browser.page.headers["referrer-policy"] == "no-referrer"
    assert browser.page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in browser.page.headers["content-security-policy"]
    with pytest.raises(httpx2.ConnectError):
        browser.http.get(browser.url)


def test_what_knocks_besides_the_browser_does_not_end_the_waiting(server: RunningServer) -> None:
    browser, answers = PageBrowser(), []

    def opened(url: str) -> None:
        there = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        origin = there.removesuffix("/callback")
        answers.append(browser.http.get(f"{origin}/favicon.ico").status_code)
        answers.append(browser.http.get(f"{there}?code=x", headers={"Host": "elsewhere.example"}).status_code)
        answers.append(browser.http.post(f"{there}?code=x").status_code)
        at_work(browser)(url)

    assert source_of(TokenSource, server).sign_in_by_browser(open_browser=opened, seconds=20) is not None
    assert answers == [404, 404, 404]


def test_a_user_who_says_no_is_heard(server: RunningServer) -> None:
    browser = PageBrowser()

    def opened(url: str) -> None:
        browser.open(url)
        browser.submit("sign-in-form", username="ada", password=PASSWORD)
        browser.submit("consent-form", decision="deny")

    with pytest.raises(SignInAgain) as caught:
        source_of(TokenSource, server).sign_in_by_browser(open_browser=opened, seconds=20)
    assert caught.value.reason == "denied"


def test_nobody_waits_for_ever(server: RunningServer) -> None:
    with pytest.raises(SignInAgain) as caught:
        source_of(TokenSource, server).sign_in_by_browser(open_browser=lambda _: None, seconds=0.3)
    assert caught.value.reason == "abandoned"


def test_without_a_browser_it_says_so_at_once(server: RunningServer) -> None:
    with pytest.raises(Misconfigured) as caught:
        signed_in(source_of(AsyncTokenSource, server), open_browser=lambda _: False)
    assert caught.value.reason == "no_browser"


async def test_a_caller_who_goes_away_leaves_nothing_listening(server: RunningServer) -> None:
    seen: list[str] = []
    source = source_of(AsyncTokenSource, server)
    waiting = asyncio.create_task(source.sign_in_by_browser(open_browser=seen.append, seconds=60))
    async with asyncio.timeout(10):
        while not seen:
            await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    there = parse_qs(urlsplit(seen[0]).query)["redirect_uri"][0]
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(there)


def answered(server: RunningServer, source: TokenSource) -> tuple[Any, dict[str, str]]:
    """A transaction, and the answer that the issuer gave to it, not yet taken."""
    begun = source.begin_sign_in("http://127.0.0.1:1/callback")
    browser = PageBrowser()
    browser.open(begun.url)
    browser.sign_in(until="http://127.0.0.1:1/")
    query = parse_qs(urlsplit(browser.url).query)
    return begun.transaction, {name: values[0] for name, values in query.items()}


@rfc("9207", "2.4")
def test_an_answer_that_is_not_to_the_transaction_is_refused_before_anything_is_sent(server: RunningServer) -> None:
    source = source_of(TokenSource, server)
    transaction, answer = answered(server, source)
    for changed, reason in (
        ({"state": "another"}, "wrong_state"),
        ({"iss": "https://honest.example"}, "wrong_issuer"),
        ({"iss": None}, "wrong_issuer"),
        ({"code": None}, "wrong_answer"),
    ):
        wrong = {name: value for name, value in (answer | changed).items() if value is not None}
        with pytest.raises(SignInAgain) as caught:
            source.finish_sign_in(transaction, urlencode(wrong))
        assert caught.value.reason == reason
    with pytest.raises(SignInAgain):
        source.finish_sign_in(transaction, urlencode(answer) + "&state=" + answer["state"])
    # None of them has spent the code.
    assert source.finish_sign_in(transaction, urlencode(answer)) is not None


@rfc("9700", "4.5.3.1")
def test_the_code_of_one_sign_in_is_of_no_use_in_another(server: RunningServer) -> None:
    source = source_of(TokenSource, server)
    mine, _ = answered(server, source)
    _, theirs = answered(server, source_of(TokenSource, server))
    with pytest.raises(SignInAgain) as caught:
        source.finish_sign_in(mine, urlencode(theirs | {"state": mine.state}))
    assert caught.value.reason == "code_spent"
    with pytest.raises(SignInAgain):
        source.token()


def test_an_answer_is_taken_once(server: RunningServer) -> None:
    source = source_of(TokenSource, server)
    transaction, answer = answered(server, source)
    source.finish_sign_in(transaction, urlencode(answer))
    token = source.token()
    with pytest.raises(SignInAgain) as caught:
        source.finish_sign_in(transaction, urlencode(answer))
    assert caught.value.reason == "code_spent"
    assert source.token() == token


def test_an_id_token_with_another_nonce_is_not_believed_and_its_grant_ends(server: RunningServer) -> None:
    source = source_of(TokenSource, server)
    begun = source.begin_sign_in("http://127.0.0.1:1/callback")
    browser = PageBrowser()
    browser.open(begun.url.replace(f"nonce={begun.transaction.nonce}", "nonce=injected"))
    browser.sign_in(until="http://127.0.0.1:1/")
    with pytest.raises(SignInAgain) as caught:
        source.finish_sign_in(begun.transaction, urlsplit(browser.url).query)
    assert caught.value.reason == "wrong_id_token"
    with pytest.raises(SignInAgain):
        source.token()


def test_an_answer_that_comes_too_late_is_refused(server: RunningServer) -> None:
    now = [1_900_000_000.0]
    source = source_of(TokenSource, server, clock=lambda: now[0])
    transaction, answer = answered(server, source)
    now[0] += 601
    with pytest.raises(SignInAgain) as caught:
        source.finish_sign_in(transaction, urlencode(answer))
    assert caught.value.reason == "abandoned"
