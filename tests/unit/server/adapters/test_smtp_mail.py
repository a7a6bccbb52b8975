"""Mail by SMTP, to a real mail server on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Any

import pytest
import trustme
from tests.support.mail_server import MailServer
from tests.support.rfc import rfc

from watchword.server.adapters.smtp_mail import Relay, SmtpMail, message_of, recipient_of
from watchword.server.ports.mail import Letter, Mail, PutOff, Refused, Unreached

SENDER = Address(display_name="Müller & Töchter, Konten", addr_spec="accounts@example.com")
AT = datetime(2027, 5, 3, 10, 21, 7, tzinfo=UTC).timestamp()
PASSWORD = "a-password-of-the-relay"


def a_mail(**changes: Any) -> Mail:
    letter = Letter(lang="de", subject="Neues Passwort für Mühle & Söhne", text="Guten Tag Äda,\n\nhttps://x/link\n")
    given: dict[str, Any] = {"id": "an-id-of-22-characters", "to": "ada@example.org", "letter": letter, "at": AT}
    return Mail(**given | changes)


class Stage:
    """Mail servers of a test, and the trust that goes with their certificates."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.authority = trustme.CA()
        self.trust = ssl.create_default_context()
        self.authority.configure_trust(self.trust)

    def server(self, *, tls: bool = False, name: str = "localhost", **options: Any) -> MailServer:
        if tls:
            options["tls"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert(name, "127.0.0.1" if name == "localhost" else name).configure_cert(options["tls"])
        return self._stack.enter_context(MailServer(**options))

    def mailer(self, server: MailServer, security: Any = "none", **changes: Any) -> SmtpMail:
        relay = Relay(host="localhost", port=server.port, security=security, **changes)
        return SmtpMail(relay, SENDER, tls=self.trust, seconds=10)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    with ExitStack() as stack:
        yield Stage(stack)
    # The servers have hung up, which our ends of the connections see in the next rounds of the loop. An end that says
    # its farewell over TLS is still open when the test is over.
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_mail_arrives_as_it_was_written(stage: Stage) -> None:
    server = stage.server()
    await stage.mailer(server, greeting="auth.example").send(a_mail())
    [mail] = server.received
    assert mail.recipients == ["ada@example.org"]
    assert mail.sender == "accounts@example.com"
    assert mail.greeting == "auth.example"
    assert mail.subject == "Neues Passwort für Mühle & Söhne"
    assert mail.text.replace("\r\n", "\n") == "Guten Tag Äda,\n\nhttps://x/link\n"
    assert mail.message["from"].addresses[0].display_name == "Müller & Töchter, Konten"
    assert mail.message["message-id"] == "<an-id-of-22-characters@example.com>"
    assert mail.message["date"].datetime == datetime.fromtimestamp(AT, UTC)
    assert mail.message["content-language"] == "de"
    assert mail.message.get_content_type() == "text/plain"
    # Nothing beyond ASCII is on the wire, whatever the servers in between can do.
    assert mail.raw.isascii()


@rfc("3834", "5")
async def test_a_mail_says_that_nobody_typed_it(stage: Stage) -> None:
    server = stage.server()
    await stage.mailer(server).send(a_mail())
    assert server.last().message["auto-submitted"] == "auto-generated"


@rfc("3207", "4")
async def test_starttls_is_used_and_the_password_goes_by_it(stage: Stage) -> None:
    server = stage.server(tls=True, login=("ada", PASSWORD))
    await stage.mailer(server, "starttls", username="ada", password=PASSWORD).send(a_mail())
    assert (server.last().over_tls, server.last().login) == (True, "ada")


@rfc("8314", "3.3")
async def test_tls_from_the_first_byte(stage: Stage) -> None:
    server = stage.server(tls=True, implicit=True, login=("ada", PASSWORD))
    await stage.mailer(server, "tls", username="ada", password=PASSWORD).send(a_mail())
    assert (server.last().over_tls, server.last().login) == (True, "ada")


@rfc("3207", "6")
async def test_a_server_that_offers_no_starttls_gets_nothing_where_it_is_wanted(stage: Stage) -> None:
    server = stage.server(login=("ada", PASSWORD))
    with pytest.raises(Unreached, match="it offers no STARTTLS"):
        await stage.mailer(server, "starttls", username="ada", password=PASSWORD).send(a_mail())
    assert server.received == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_nobody_knows_whom_or_of_somebody_else_is_refused(stage: Stage, security: str) -> None:
    implicit = security == "tls"
    server = stage.server(tls=True, implicit=implicit)
    relay = Relay(host="localhost", port=server.port, security="tls" if implicit else "starttls")
    with pytest.raises(Unreached, match="its certificate is not trusted here"):
        await SmtpMail(relay, SENDER).send(a_mail())
    other = stage.server(tls=True, implicit=implicit, name="mail.elsewhere.example")
    with pytest.raises(Unreached, match="its certificate is not trusted here"):
        await stage.mailer(other, security).send(a_mail())
    assert server.received == other.received == []


async def test_a_wrong_password_reaches_nobody_and_is_in_no_text(stage: Stage) -> None:
    server = stage.server(tls=True, login=("ada", "another"))
    with pytest.raises(Unreached, match="SMTPAuthenticationError, status 535") as refused:
        await stage.mailer(server, "starttls", username="ada", password=PASSWORD).send(a_mail())
    assert PASSWORD not in repr(refused.value)
    assert PASSWORD not in repr(Relay(host="h", port=1, security="tls", username="ada", password=PASSWORD))


async def test_nobody_at_the_other_end(stage: Stage) -> None:
    with MailServer() as server:
        mailer = stage.mailer(server)
    with pytest.raises(Unreached) as unreached:
        await mailer.send(a_mail())
    assert "ada" not in str(unreached.value)


async def test_a_server_that_says_nothing_is_given_up_in_time(stage: Stage) -> None:
    server = stage.server(silent=True)
    relay = Relay(host="localhost", port=server.port, security="none")
    with pytest.raises(Unreached, match="no answer in time"):
        await SmtpMail(relay, SENDER, seconds=0.2).send(a_mail())


@rfc("5321", "4.2.1")
@pytest.mark.parametrize(
    ("answer", "kind"),
    [("550 no such mailbox", Refused), ("553 odd", Refused), ("450 greylisted", PutOff), ("421 not now", PutOff)],
)
async def test_what_is_refused_for_good_is_told_from_what_comes_again(
    stage: Stage, answer: str, kind: type[Exception]
) -> None:
    server = stage.server(answers={"ada@example.org": answer})
    with pytest.raises(kind) as refused:
        await stage.mailer(server).send(a_mail())
    assert str(refused.value) == f"status {answer[:3]}"
    with pytest.raises(kind):
        await stage.mailer(stage.server(after_data=answer)).send(a_mail())


@rfc("6531", "3")
async def test_addresses_beyond_ascii(stage: Stage) -> None:
    server = stage.server()
    await stage.mailer(server).send(a_mail(to="jürgen@bücher.example"))
    [mail] = server.received
    assert mail.recipients == ["jürgen@xn--bcher-kva.example"]
    await stage.mailer(server).send(a_mail(to="ada@bücher.example"))
    assert server.last().recipients == ["ada@xn--bcher-kva.example"]


ODD = [
    "ada@example.org\r\nBcc: eve@evil.example",
    "ada@example.org\nX: y",
    "ada@example.org\u2028Bcc: eve@evil.example",
    "ada@example.org\x00",
    "ada\x7f@example.org",
    "",
]


@rfc("5322", "2.2")
@pytest.mark.parametrize("odd", ODD)
def test_no_header_can_be_smuggled_in_by_an_address_or_a_subject(odd: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        a_mail(to=odd)
    with pytest.raises(ValueError, match="printable"):
        a_mail(letter=Letter(lang="en", subject=odd, text="x"))


@pytest.mark.parametrize(
    "address",
    [
        "ada",
        "@example.org",
        "ada@",
        "ada@example.org>",
        "<ada@example.org",
        'ada"@example.org',
        "ada@exa mple.org",
        "ada b@example.org",
        "ada@-",
        "ada@example.org RCPT TO:<eve@evil.example>",
        "ada@" + "ü" * 100 + ".example",
    ],
)
def test_what_is_no_address_is_refused_before_anybody_is_called(address: str) -> None:
    with pytest.raises(Refused, match="this is no e-mail address"):
        recipient_of(a_mail(to=address))


@pytest.mark.parametrize(
    "address", ["eve@evil.example,ada@example.org", "a(b)@example.org", "a;b:c@example.org", "a[1]@example.org"]
)
def test_an_odd_address_stays_one_address(address: str) -> None:
    mail = a_mail(to=address)
    message = message_of(mail, sender=SENDER, recipient=recipient_of(mail))
    assert len(message["to"].addresses) == 1
    assert [name.lower() for name in message] == [
        *("from", "to", "subject", "date", "message-id", "auto-submitted"),
        *("content-type", "content-transfer-encoding", "mime-version", "content-language"),
    ]


def test_a_mails_text_begins_no_header() -> None:
    letter = Letter(lang="en", subject="x", text="Bcc: eve@evil.example\n.\nQUIT\n")
    message = message_of(a_mail(letter=letter), sender=SENDER, recipient=recipient_of(a_mail()))
    assert message["bcc"] is None


async def test_dots_alone_on_a_line_end_nothing(stage: Stage) -> None:
    server = stage.server()
    await stage.mailer(server).send(a_mail(letter=Letter(lang="en", subject="x", text="before\n.\nafter\n")))
    assert server.last().text.replace("\r\n", "\n") == "before\n.\nafter\n"


def test_a_mail_shows_no_address_when_printed() -> None:
    assert "ada" not in repr(a_mail())
