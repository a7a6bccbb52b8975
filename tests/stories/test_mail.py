"""A real server, a real mail server and real mails: links that work once, whatever was down meanwhile."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.support.mail_server import MailServer
from tests.support.page_browser import PageBrowser
from tests.support.ports import free_port
from tests.support.ready_made import database_of, sqlite_server
from tests.support.running_server import PASSWORD, RunningServer, wait_until

pytestmark = pytest.mark.slow

NEW = "an entirely different passphrase"
RELAY_PASSWORD = "canary-of-the-relay-8b1d"
FROM = "Mühle & Söhne <accounts@example.com>"


@contextmanager
def serving(folder: Path, smtp_url: str, **options: Any) -> Iterator[RunningServer]:
    """A server that sends mail, with a user ``mira`` whose address is proved."""
    server = sqlite_server(
        folder, WATCHWORD_SMTP_URL=smtp_url, WATCHWORD_MAIL_FROM=FROM, WATCHWORD_SIGN_UP="open", **options
    )
    server.start()
    try:
        address = ("--email", "mira@example.org", "--email-verified")
        server.command("users", "create", "mira", "--password-stdin", *address, stdin=PASSWORD)
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            assert server.stop() == 0


def forget(server: RunningServer, typed: str = "mira") -> PageBrowser:
    browser = PageBrowser()
    browser.open(f"{server.issuer}/forgot-password")
    browser.submit("forgot-password-form", username=typed)
    assert 'id="sent"' in browser.page.text
    return browser


def signs_in(server: RunningServer, password: str, username: str = "mira") -> bool:
    with server.http() as http:
        body = {"client_id": "web", "username": username, "password": password}
        return http.post("/session", json=body).status_code == 201


def test_a_forgotten_password_is_set_anew_by_a_mail(tmp_path: Path) -> None:
    with MailServer() as post, serving(tmp_path, f"smtp://127.0.0.1:{post.port}") as server:
        browser = forget(server, "mira@example.org")
        [mail] = post.wait_for(1)
        assert (mail.recipients, mail.sender) == (["mira@example.org"], "accounts@example.com")
        assert mail.message["from"].addresses[0].display_name == "Mühle & Söhne"
        assert mail.link.startswith(f"{server.issuer}/link?token=wwl_")
        browser.open(mail.link)
        assert browser.url == f"{server.issuer}/reset-password"
        browser.submit("reset-password-form", new_password=NEW, repeated_password=NEW)
        assert 'id="flash"' in browser.page.text
        assert not signs_in(server, PASSWORD)
        assert signs_in(server, NEW)
        notice = post.wait_for(2)[1]
        assert notice.subject == "Your password at Watchword was changed"
        again = PageBrowser().open(mail.link)
        assert (again.status_code, 'id="dead-link"' in again.text) == (410, True)
        written = server.log.read_text()
    assert "mail: on, as accounts@example.com, through 127.0.0.1" in written
    assert mail.token not in written
    assert mail.token[-24:] not in written


def test_a_new_address_is_proved_by_a_mail(tmp_path: Path) -> None:
    with MailServer() as post, serving(tmp_path, f"smtp://127.0.0.1:{post.port}") as server:
        browser = PageBrowser()
        browser.http.headers["accept-language"] = "de"
        browser.open(f"{server.issuer}/sign-up")
        browser.submit("sign-up-form", username="nora", email="nora@example.org", password=NEW)
        [mail] = post.wait_for(1)
        assert mail.subject == "Bestätigen Sie Ihre E-Mail-Adresse bei Watchword"
        browser.open(mail.link)
        browser.submit("verify-email-form")
        assert 'id="email-verified"' in browser.page.text
        shown = server.records("users", "show", "nora")
        assert (shown["email"], shown["email_verified"]) == ("nora@example.org", True)


def test_whatever_host_a_request_names_the_link_leads_to_the_issuer(tmp_path: Path) -> None:
    with MailServer() as post, serving(tmp_path, f"smtp://127.0.0.1:{post.port}") as server:
        evil = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
        with server.http() as http:
            page = http.get("/forgot-password", headers=evil)
            assert "evil.example" not in page.text
            [csrf] = re.findall(r'name="csrf" value="([^"]+)"', page.text)
            form = {"csrf": csrf, "username": "mira"}
            assert http.post("/forgot-password", data=form, headers=evil).status_code == 303
        [mail] = post.wait_for(1)
        assert mail.link.startswith(f"{server.issuer}/link?")
        assert b"evil" not in mail.raw


def test_a_mail_waits_until_the_mail_server_is_back_though_ours_was_killed_meanwhile(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, f"smtp://127.0.0.1:{port}") as server:
        forget(server)
        wait_until(lambda: "mail.failed" in server.log.read_text(), seconds=30, what="the first try")
        server.kill()
        with MailServer(port) as post:
            server.start()
            [mail] = post.wait_for(1, seconds=120)
            browser = PageBrowser()
            browser.open(mail.link)
            browser.submit("reset-password-form", new_password=NEW, repeated_password=NEW)
            assert signs_in(server, NEW)
            post.wait_for(2)
            assert len(post.received) == 2


def test_no_link_that_works_lies_in_the_database(tmp_path: Path) -> None:
    with MailServer(answers={"mira@example.org": "450 not now"}) as post:
        with serving(tmp_path, f"smtp://127.0.0.1:{post.port}") as server:
            forget(server)
            wait_until(lambda: "mail.failed" in server.log.read_text(), seconds=30, what="the first try")
            kept = _everything_in(database_of(server))
            post.answers.clear()
            [mail] = post.wait_for(1, seconds=60)
            kept += _everything_in(database_of(server))
        kept += _everything_in(database_of(server))
    assert b"mira@example.org" in kept
    assert mail.token.encode() not in kept
    assert mail.token[-21:].encode() not in kept


def _everything_in(database: Path) -> bytes:
    return b"".join(path.read_bytes() for path in database.parent.glob("*") if path.is_file())


def test_mail_goes_by_tls_with_a_password_that_nobody_reads(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    with MailServer(tls=tls, implicit=True, login=("relay", RELAY_PASSWORD)) as post:
        url = f"smtps://relay:{RELAY_PASSWORD}@localhost:{post.port}"
        with serving(tmp_path, url, SSL_CERT_FILE=str(tmp_path / "ca.pem")) as server:
            server.command("users", "set-password", "mira", "--password-stdin", stdin=NEW)
            [mail] = post.wait_for(1)
            assert (mail.over_tls, mail.login) == (True, "relay")
            assert mail.subject == "Your password at Watchword was changed"
        written = server.log.read_text()
    assert f"through localhost:{post.port} by TLS" in written
    assert RELAY_PASSWORD not in written


def test_a_mail_server_that_cannot_prove_who_it_is_gets_neither_mail_nor_password(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    with (
        MailServer(tls=tls, implicit=True, login=("relay", RELAY_PASSWORD)) as post,
        serving(tmp_path, f"smtps://relay:{RELAY_PASSWORD}@localhost:{post.port}") as server,
    ):
        forget(server)
        wait_until(lambda: "mail.failed" in server.log.read_text(), seconds=30, what="the first try")
        assert "its certificate is not trusted here" in server.log.read_text()
        assert post.received == []
        assert RELAY_PASSWORD not in server.log.read_text()
