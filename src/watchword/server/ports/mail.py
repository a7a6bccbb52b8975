"""Mail: letters to users, worded and sent.

Implements: RFC 5322 §2.2 (a header's value has no line ends of its own); RFC 3834 §5 (what nobody typed says so).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from watchword.server.domain.time import Instant


class Unreached(Exception):
    """The mail server did not answer, or would not talk with us: nothing can be sent for now.

    The text is a short reason without anything of what was sent, here and below.
    """


class PutOff(Exception):
    """The mail server takes other mail, but not this one now: it is tried again."""


class Refused(Exception):
    """This mail is refused for good: there is no such mailbox, or the address is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says. ``lang`` is the tag of its language."""

    lang: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A letter with an address on it.

    Attributes:
        id: unique; the same at each try, so that a mailbox may know a second copy.
        to: one address.
        at: when it is sent, in seconds since the epoch.

    Raises:
        ValueError: address or subject hold a control character, which could begin another header.
    """

    id: str
    to: str
    letter: Letter
    at: Instant

    def __post_init__(self) -> None:
        for value in (self.to, self.letter.subject, self.letter.lang, self.id):
            if not value or not value.isprintable():
                raise ValueError("a header's value has printable characters only")

    def __repr__(self) -> str:
        return f"Mail({self.id!r})"


class Mailer(Protocol):
    """Hands mail to a mail server."""

    async def send(self, mail: Mail) -> None:
        """Return when the mail server has taken it.

        Args:
            mail: to one reader.

        Raises:
            Unreached: nothing can be sent for now.
            PutOff: this mail cannot be sent for now.
            Refused: this mail can never be sent.
        """
        ...


class Wording(Protocol):
    """Words what is sent, in the reader's language."""

    def letter(self, name: str, *, locale: str, values: Mapping[str, str]) -> Letter:
        """The letter of that name.

        Args:
            name: which one.
            locale: language tags in the reader's order, separated by spaces; may be empty.
            values: what stands in it, by name; all letters take the same.

        Returns:
            It in the first of those languages that there is, else in the default one.
        """
        ...
