"""Users' mailboxes inside the test's process: real letters by real couriers, and a mailer that keeps them."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.support.door import Door

from watchword.server.flows.courier import Courier
from watchword.server.flows.mail import Mails, Post
from watchword.server.flows.reset_password import ForgottenPasswords
from watchword.server.ports.mail import Mail
from watchword.server.web.pages import Brand
from watchword.server.web.pages.letters import Letters

_LETTERS: Final = Letters(Brand(), None)
_LINK = re.compile(r"^https?://\S+/link\?token=\S+$", re.MULTILINE)


@dataclass
class KeptMail:
    """The port. ``trouble``: what sending raises."""

    sent: list[Mail] = field(default_factory=list)
    trouble: Exception | None = None

    async def send(self, mail: Mail) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(mail)


@dataclass
class Mailbox:
    """What all users of a door have got."""

    door: Door
    mailer: KeptMail = field(default_factory=KeptMail)

    async def deliver(self) -> list[Mail]:
        """What the couriers bring now."""
        before, parts = len(self.mailer.sent), self.door.parts
        await Courier(parts, ForgottenPasswords(parts)).bring()
        await Courier(parts, Mails(parts, Post(self.mailer, _LETTERS))).bring()
        return self.mailer.sent[before:]

    async def only(self) -> Mail:
        """The one mail that the couriers bring now."""
        [mail] = await self.deliver()
        return mail

    async def link(self) -> str:
        """The path of the link in the one mail that the couriers bring now."""
        return path_of(link_in(await self.only()))


def link_in(mail: Mail) -> str:
    """The one link with a token in a mail."""
    [found] = _LINK.findall(mail.letter.text)
    return str(found)


def path_of(url: str) -> str:
    """What a browser asks the server for."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def token_of(url: str) -> str:
    """The token in a link."""
    [token] = parse_qs(urlsplit(url).query)["token"]
    return token
