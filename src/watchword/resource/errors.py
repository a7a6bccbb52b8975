"""What can go wrong at a resource server beside a token that is refused."""

from typing import ClassVar


class KeysUnavailable(Exception):
    """No key of the issuer is known, so nothing can be said about any token. No refusal: answer 503 and Retry-After.

    Attributes:
        status: 503.
        retry_after: seconds after which asking again makes sense.
    """

    status: ClassVar[int] = 503

    def __init__(self, *, retry_after: int = 5) -> None:
        super().__init__("no key of the issuer is known yet, and the issuer cannot be reached")
        self.retry_after = retry_after


class ConfigurationError(Exception):
    """The resource server and its issuer do not fit together; somebody has to change a setting."""


class Closed(Exception):
    """The resource server was closed and judges no more tokens."""

    def __init__(self) -> None:
        super().__init__("this resource server is closed")
