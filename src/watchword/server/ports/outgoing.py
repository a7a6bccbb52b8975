"""Outgoing: requests that the server makes of somebody else."""

from collections.abc import Mapping
from typing import Protocol


class Unreached(Exception):
    """No answer came: refused, too slow, an untrusted certificate, or an address that may not be called.

    The text is a short reason without anything of what was sent.
    """


class Outgoing(Protocol):
    """Calls addresses that an operator registered, and no others: callers see to that."""

    async def post(self, url: str, form: Mapping[str, str], *, seconds: float) -> int:
        """Send a form, and read nothing of the answer but its status. Redirects are answers, and are not followed.

        Args:
            url: https, or http on loopback.
            form: the fields.
            seconds: for the whole exchange, connecting included.

        Returns:
            The HTTP status.

        Raises:
            Unreached: there was no answer.
        """
        ...
