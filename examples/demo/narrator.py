"""Tells the story on the terminal: chapters, what goes over the wire, what was seen to be so.

Tokens are shown by their last characters: never whole, and enough to see which is which.
"""

import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

_SECRET: Final = {"password", "client_secret", "code_verifier", "code_challenge"}
_TOKENS: Final = {"access_token", "refresh_token", "token", "code", "authorization_code", "id_token"}
_LEFT_OUT: Final = {
    "client_id",
    "code_challenge_method",
    "response_type",
    "code_challenge",
    "token_type",
    "token_type_hint",
    "sid",
}
_WIDTH: Final = 116


class NotAsTold(Exception):
    """Something did not happen as the story tells it."""


class Narrator:
    """Writes to standard output."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._chapter = 0
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        fancy = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        self._out, self._in, self._yes, self._dots = ("→", "←", "✓", "…") if fancy else ("->", "<-", "ok", "..")

    @property
    def seconds(self) -> float:
        """How long the story has been going on."""
        return time.monotonic() - self._begun

    def title(self, text: str) -> None:
        """The first line."""
        self._line(self._in_colour("1", text))

    def chapter(self, title: str, *sentences: str) -> None:
        """A new step of the story, and what it is about."""
        self._chapter += 1
        self._line("")
        self._line(self._in_colour("1;36", f"{self._chapter:2}  {title}"))
        self.say(*sentences)

    def say(self, *sentences: str) -> None:
        """Plain words."""
        for sentence in sentences:
            self._line(f"    {sentence}")

    def command(self, text: str) -> None:
        """A command that an operator types."""
        lines = textwrap.wrap(
            text, _WIDTH - 10, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
        self.say(*(f"  {line}" for line in lines))

    def sent(self, what: str, members: Mapping[str, Any], *, by: str = "") -> None:
        """A request."""
        who = f"{by} " if by else ""
        self._line(self._in_colour("2", _cut(f"    {self._out} {who}{what}  {self._shown(members)}")))

    def answered(self, status: int | str, members: Mapping[str, Any]) -> None:
        """An answer."""
        self._line(self._in_colour("2", _cut(f"    {self._in} {status}  {self._shown(members)}")))

    def check(self, is_so: bool, fact: str) -> None:
        """State a fact of the story.

        Raises:
            NotAsTold: it is none.
        """
        if not is_so:
            raise NotAsTold(fact)
        self._line(f"    {self._in_colour('32', self._yes)} {fact}")

    def shorten(self, token: str) -> str:
        """Enough of a token to tell it from others."""
        head = "wwr_" if token.startswith("wwr_") else "eyJ" if token.startswith("eyJ") else ""
        return f"{head}{self._dots}{token[-4:]}"

    def _shown(self, members: Mapping[str, Any]) -> str:
        return "  ".join(self._member(name, value) for name, value in members.items() if name not in _LEFT_OUT)

    def _member(self, name: str, value: Any) -> str:
        if name in _SECRET:
            return f"{name}={self._dots}"
        if name in _TOKENS and isinstance(value, str):
            return f"{name}={self.shorten(value)}"
        if name == "Authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            return f"{name}: {scheme} {self.shorten(token) if scheme == 'Bearer' else self._dots}"
        text = value if isinstance(value, str) else json.dumps(value)
        text = re.sub(r' error_description="[^"]*",?', "", text).rstrip(",")
        return f"{name}: {text}" if name[0].isupper() else f"{name}={text}"

    def _in_colour(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text

    def _line(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def form_of(body: bytes) -> dict[str, str]:
    """The parameters of a form; of one that is there twice, both."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(body.decode()):
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


def json_of(body: bytes) -> dict[str, Any]:
    """The members of a JSON object; nothing where there is none."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 2]} >"
