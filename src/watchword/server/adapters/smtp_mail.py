"""Mail by SMTP: one connection for each mail, over TLS with a certificate that is checked, or plainly to loopback.

The library is loaded with the first mail.

Implements: RFC 5321 §4.2.1 (replies that are for now, and for good); RFC 3207 §4; RFC 8314 §3.3; RFC 4954 §4; RFC 6531
§3; RFC 5322 §3.6; RFC 3834 §5; RFC 2047 §5.
"""

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Any, Final, Literal

from watchword.server.ports.mail import Mail, PutOff, Refused, Unreached

_SECONDS: Final = 20.0
_PARTING_SECONDS: Final = 2.0
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\Z", re.ASCII)

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The mail server that takes what we send.

    Attributes:
        security: TLS by STARTTLS, TLS from the first byte, or none, which is for loopback alone.
        greeting: the name by which we greet it.
    """

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    greeting: str = "localhost"


class SmtpMail:
    """Hands mail to a relay.

    Args:
        relay: which one.
        sender: of all mail; the address is ASCII.
        tls: another trust store than the system's.
        seconds: for a whole mail, connecting included.
    """

    def __init__(
        self, relay: Relay, sender: Address, *, tls: ssl.SSLContext | None = None, seconds: float = _SECONDS
    ) -> None:
        self._relay = relay
        self._sender = sender
        self._tls = tls
        self._seconds = seconds

    async def send(self, mail: Mail) -> None:
        """See ``ports.mail.Mailer``."""
        recipient = recipient_of(mail)
        message = message_of(mail, sender=self._sender, recipient=recipient)
        # Loading the library and the trust store takes a while: off the event loop.
        options = await asyncio.to_thread(self._options)
        import aiosmtplib  # noqa: PLC0415 (a server that sends nothing never loads it)

        smtp = aiosmtplib.SMTP(**options)
        try:
            async with asyncio.timeout(self._seconds):
                await smtp.connect()
                await smtp.send_message(message, sender=self._sender.addr_spec, recipients=[recipient.addr_spec])
            # It is taken; whatever happens at the parting, it must not be sent again.
            with suppress(aiosmtplib.SMTPException, OSError):
                await smtp.quit(timeout=_PARTING_SECONDS)
        except aiosmtplib.SMTPNotSupported:
            raise Refused("the mail server does not take addresses beyond ASCII") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _about_this_mail(error.recipients[0].code) from None
        except aiosmtplib.SMTPDataError as error:
            raise _about_this_mail(error.code) from None
        except aiosmtplib.SMTPResponseException as error:
            # Greeting, STARTTLS, authentication or our own address: no mail would get further.
            raise Unreached(f"{type(error).__name__}, status {error.code}") from None
        except TimeoutError:
            raise Unreached("no answer in time") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unreached(_reason(error)) from None
        except ValueError:
            raise Refused("this is no e-mail address") from None
        finally:
            smtp.close()

    def _options(self) -> dict[str, Any]:
        relay = self._relay
        import aiosmtplib  # noqa: F401, PLC0415 (as above; loaded here, in the thread)

        if relay.security != "none" and self._tls is None:
            self._tls = ssl.create_default_context()
        return {
            "hostname": relay.host,
            "port": relay.port,
            "username": relay.username,
            "password": relay.password,
            "local_hostname": relay.greeting,
            "timeout": self._seconds,
            "use_tls": relay.security == "tls",
            # True: a relay that does not offer it gets nothing, no password either.
            "start_tls": relay.security == "starttls",
            "tls_context": None if relay.security == "none" else self._tls,
        }


def recipient_of(mail: Mail) -> Address:
    """The one address of ``mail``, its domain as the wire wants it.

    Raises:
        Refused: it is none.
    """
    local, _, domain = mail.to.rpartition("@")
    try:
        host = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise Refused("this is no e-mail address") from None
    if not local or _DOMAIN.match(host) is None or any(one.isspace() or one in '<>"\\' for one in local):
        raise Refused("this is no e-mail address")
    return Address(username=local, domain=host)


def message_of(mail: Mail, *, sender: Address, recipient: Address) -> EmailMessage:
    """``mail`` as it goes over the wire."""
    message = EmailMessage(policy=SMTP if recipient.addr_spec.isascii() else SMTPUTF8)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = mail.letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(mail.at, UTC))
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    # RFC 3834 §5: so that holiday notices and the like do not answer.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.letter.text, cte="7bit" if mail.letter.text.isascii() else "quoted-printable")
    # After the text, which takes the place of all headers that speak of content.
    message["Content-Language"] = mail.letter.lang
    return message


def _about_this_mail(code: int) -> Exception:
    # RFC 5321 §4.2.1: 5yz "the command was not accepted", and must not be repeated as it is; 4yz may be.
    reason = f"status {code}"
    return Refused(reason) if 500 <= code <= 599 else PutOff(reason)


def _reason(error: Exception) -> str:
    # The kind alone, for an error's text may quote what was sent; but what an operator can mend deserves its name.
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted here"
    if "STARTTLS" in text:
        return "it offers no STARTTLS"
    return "it offers no authentication that we know" if "AUTH" in text else type(error).__name__
