"""A sign-in between its two steps: what is kept while the user looks for a code. Pure.

Implements: draft-ietf-oauth-first-party-apps §5.3, §5.3.1.
"""

from dataclasses import dataclass, field

from watchword.protocol.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStep:
    """What a sign-in is gone on with. It works once, for a few minutes, for the same client.

    Attributes:
        methods: what the user can go on with: ``otp``, ``recovery_code``.
        auth_session: the issuer's word for this sign-in; secret.
        verifier: of the code that will come; secret.
        scope: what was asked for.
    """

    methods: tuple[str, ...]
    auth_session: str = field(repr=False)
    verifier: str = field(repr=False)
    scope: Scope = Scope()
