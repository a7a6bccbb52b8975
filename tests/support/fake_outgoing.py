"""The way to others, as a fake: it keeps what was posted, and answers as the test says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watchword.protocol import strict_json
from watchword.protocol.base64url import decode
from watchword.server.ports.outgoing import Unreached


@dataclass
class FakeOutgoing:
    """The port. ``answers``: a status by address, or None where nobody answers; 200 where nothing is said."""

    posted: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answers: dict[str, int | None] = field(default_factory=dict)

    async def post(self, url: str, form: Mapping[str, str], *, seconds: float) -> int:
        assert 0 < seconds <= 10
        self.posted.append((url, dict(form)))
        status = self.answers.get(url, 200)
        if status is None:
            raise Unreached("nobody answers")
        return status

    def tokens(self) -> list[str]:
        """The tokens posted, in order."""
        return [form["logout_token"] for _, form in self.posted]

    def claims(self) -> list[dict[str, Any]]:
        """Their claims, unverified."""
        return [strict_json.parse_object(decode(token.split(".")[1])) for token in self.tokens()]
