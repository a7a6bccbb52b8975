"""Why no token can be had: three answers to "what now?", and a program needs no more of them.

Sign in again (the user must act), try later (nobody must: wait), misconfigured (whoever set this up must act). None
of them ever carries a token, a secret or a password.
"""

from watchword.client.second_step import SecondStep


class ClientError(Exception):
    """No token can be had for now.

    Attributes:
        reason: a stable slug for logs and programs.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SignInAgain(ClientError):
    """Nobody is signed in, the grant is over, or the sign-in was refused. Only a person can help.

    ``reason`` is ``signed_out``, ``grant_over``, ``credentials``, or the server's own word for what it wants. A
    ``StepUpRequired`` is one of these, after which he is signed in all the same.
    """

    def __init__(self, message: str = "sign in", *, reason: str = "signed_out") -> None:
        super().__init__(message, reason=reason)


class SecondStepNeeded(SignInAgain):
    """The password is right, and the user takes a second step: ``take_second_step`` of the source goes on.

    ``reason`` is ``second_step``, or ``wrong_code`` after a code that was not right.

    Attributes:
        step: what the sign-in is gone on with; nobody is signed in by it.
        methods: what the user can go on with: ``otp`` (a code of his authenticator app), ``recovery_code``.
    """

    def __init__(self, message: str, *, step: SecondStep, reason: str = "second_step") -> None:
        super().__init__(message, reason=reason)
        self.step = step
        self.methods = step.methods


class StepUpRequired(SignInAgain):
    """A service wants the user to have signed in more recently, or more strongly (RFC 9470).

    The token is as good as ever for other calls; another one from a refresh would be refused likewise. Sign in with
    these demands, and call again.

    Attributes:
        acr_values: the authentication context classes that will do, in order of preference; empty for any.
        max_age: seconds that the sign-in may lie back; None for any age.
    """

    def __init__(self, *, acr_values: tuple[str, ...] = (), max_age: int | None = None) -> None:
        super().__init__(
            "the service wants a more recent or a stronger sign-in", reason="insufficient_user_authentication"
        )
        self.acr_values = acr_values
        self.max_age = max_age


class TryLater(ClientError):
    """The server, the way to it, or the store is in trouble. Tokens are kept; the same call works again later.

    Attributes:
        retry_after: seconds after which the next call makes sense; spread, so that many clients do not come at once.
    """

    def __init__(self, message: str, *, reason: str = "unreachable", retry_after: float = 1.0) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class Misconfigured(ClientError):
    """Issuer, client, secret, scope, resource or store are set up wrongly. Tokens are kept."""

    def __init__(self, message: str, *, reason: str = "misconfigured") -> None:
        super().__init__(message, reason=reason)
