"""Every page with every problem that it can tell of, and with names as hostile as they come."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from watchword.server.web.pages import PageName
from watchword.server.web.pages.contexts import CONTEXTS
from watchword.server.web.qr_code import drawn

NOW = 1_772_000_000.0
APPLICATION = "Plum Street Books"
_URI = "otpauth://totp/Watchword:mira?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Watchword"
SENTENCE = "use at least 15 characters: a few words in a row will do"

# What a passkey is asked for with; the challenge is not one.
PASSKEY_OPTIONS = '{"challenge":"AAAA","rpId":"id.example","allowCredentials":[],"userVerification":"required"}'

COMPLETE: dict[PageName, dict[str, Any]] = {
    "sign_in": {
        "action": "/login",
        "csrf": "csrf-value",
        "request": "request-value",
        "username": "",
        "client_name": APPLICATION,
        "sign_up_url": "/sign-up?request=request-value",
        "passkey": {"options": PASSKEY_OPTIONS, "challenge": "sealed-value", "lifetime": 600, "demanded": False},
        "forgotten_url": "/forgot-password",
    },
    "second_step": {
        "action": "/login/second-step",
        "csrf": "csrf-value",
        "request": "request-value",
        "step": "step-value",
        "username": "mira",
        "client_name": APPLICATION,
        "restart_url": "/login?request=request-value",
    },
    "sign_up": {
        "action": "/sign-up",
        "csrf": "csrf-value",
        "request": "request-value",
        "username": "mira",
        "email": "mira@example.com",
        "client_name": APPLICATION,
        "sign_in_url": "/login?request=request-value",
    },
    "consent": {
        "action": "/consent",
        "csrf": "csrf-value",
        "request": "request-value",
        "client_name": APPLICATION,
        "client_id": "plum-street-books",
        "redirect_host": "books.example",
        "apis": [
            ("https://orders.example", ["orders:read", "orders:write"]),
            ("https://shelves.example", ["shelves:read"]),
        ],
        "openid_scopes": ["openid", "profile", "email", "offline_access"],
        "lifetime_days": 90,
        "is_loopback": False,
        "username": "mira",
        "other_user_url": "/login?request=request-value",
    },
    "sign_out": {
        "action": "/end_session",
        "csrf": "csrf-value",
        "hidden": {"client_id": "plum-street-books", "state": "state-value"},
        "username": "mira",
        "client_name": APPLICATION,
        "stay_url": "/account",
    },
    "signed_out": {"continue_url": "https://books.example/bye?state=1", "client_name": APPLICATION},
    "error": {
        "problem": "bad_request",
        "detail": "code_challenge_method must be S256",
        "reference": "9f2c11ab00000017",
        "continue_url": "https://books.example/cb?error=invalid_request",
    },
    "form_post": {
        "action": "https://books.example/cb",
        "fields": {"code": "code-value", "state": "state-value", "iss": "https://id.example", "submit": "shadow"},
        "client_name": APPLICATION,
    },
    "forgot_password": {"action": "/forgot-password", "csrf": "csrf-value", "sign_in_url": "/login"},
    "reset_password": {"action": "/reset-password", "csrf": "csrf-value", "link": "hash", "username": "mira"},
    "verify_email": {
        "action": "/verify-email",
        "csrf": "csrf-value",
        "username": "mira",
        "link": "hash",
        "email": "mira@example.com",
        "replaces": True,
        "sign_in_url": "/login",
        "sign_out_url": "/end_session",
    },
    "dead_link": {"forgotten_url": "/forgot-password", "account_url": "/account"},
    "account": {
        "action": "/account",
        "username": "mira",
        "email_section": {
            "address": "mira@example.com",
            "verified": True,
            "sends_mail": True,
            "problem": None,
            "waiting_url": None,
        },
        "csrf": "csrf-value",
        "now": NOW,
        "sign_out_url": "/end_session",
        "sessions": [
            {
                "sid": "sid-1",
                "device": "Firefox on Linux",
                "created_at": NOW - 3 * 86400,
                "last_seen_at": NOW - 20,
                "current": True,
            },
            {
                "sid": "sid-2",
                "device": "Safari on iPhone",
                "created_at": NOW - 9 * 86400,
                "last_seen_at": NOW - 5 * 3600,
                "current": False,
            },
            {
                "sid": "sid-3",
                "device": "",
                "created_at": NOW - 80 * 86400,
                "last_seen_at": NOW - 44 * 86400,
                "current": False,
            },
        ],
        "applications": [
            {
                "client_id": "plum-street-books",
                "name": APPLICATION,
                "scopes": ["openid", "email", "orders:read", "orders:write"],
                "granted_at": NOW - 3 * 86400,
            },
            {"client_id": "shelf-cli", "name": None, "scopes": ["shelves:read"], "granted_at": NOW - 120 * 86400},
        ],
        "passkeys": {
            "held": [
                {
                    "credential_id": "id-1",
                    "name": "iPhone",
                    "synchronised": True,
                    "created_at": NOW - 80 * 86400,
                    "last_used_at": NOW - 5 * 3600,
                },
                {
                    "credential_id": "id-2",
                    "name": "The blue key",
                    "synchronised": False,
                    "created_at": NOW - 3 * 86400,
                    "last_used_at": None,
                },
            ],
            "may_add": True,
            "full": False,
            "accepted": "null",
        },
        "second_step": {"on": True, "recovery_codes": 8, "may_make_codes": True, "once": "once-value"},
    },
    "totp": {
        "action": "/account/totp",
        "csrf": "csrf-value",
        "pending": "pending-value",
        "secret": ["JBSW", "Y3DP", "EHPK", "3PXP", "JBSW", "Y3DP", "EHPK", "3PXP"],
        "uri": _URI,
        "qr": drawn(_URI),
        "account_url": "/account",
    },
    "recovery_codes": {
        "codes": [f"{n:04}-8fk2-p0qx-7mzt" for n in range(10)],
        "account_url": "/account",
    },
    "new_passkey": {
        "action": "/account/passkeys",
        "csrf": "csrf-value",
        "options": PASSKEY_OPTIONS,
        "challenge": "sealed-value",
        "lifetime": 600,
        "name": "Windows",
        "account_url": "/account",
    },
}

LEAST: dict[PageName, dict[str, Any]] = {
    name: {key: value for key, value in context.items() if key in CONTEXTS[name].needs}
    for name, context in COMPLETE.items()
} | {
    "consent": COMPLETE["consent"] | {"apis": [], "openid_scopes": [], "other_user_url": None},
    "account": {key: value for key, value in COMPLETE["account"].items() if key not in ("sign_out_url", "sessions")}
    | {
        "sessions": [],
        "applications": [],
        "email_section": COMPLETE["account"]["email_section"] | {"address": None, "sends_mail": False},
    },
}


class Specimen(NamedTuple):
    title: str
    page: PageName
    context: dict[str, Any]


def specimens() -> Iterator[Specimen]:
    """Every page: complete, with the least that it takes, with each problem and each good news."""
    for page, kind in CONTEXTS.items():
        yield Specimen(page, page, COMPLETE[page])
        yield Specimen(f"{page}-least", page, LEAST[page])
        for problem in kind.problems:
            told = COMPLETE[page] | {"problem": problem}
            if "retry_after" in kind.takes and problem == "throttled":
                told |= {"retry_after": 90}
            if "explanation" in kind.takes and problem in ("password", "malformed"):
                told |= {"explanation": SENTENCE}
            yield Specimen(f"{page}-{problem}", page, told)
        for flash in kind.flashes:
            yield Specimen(f"{page}-{flash}", page, COMPLETE[page] | {"flash": flash})
    passkey = COMPLETE["sign_in"]["passkey"] | {"demanded": True}
    yield Specimen("sign_in-demanded", "sign_in", COMPLETE["sign_in"] | {"passkey": passkey})
    none = {"held": [], "may_add": True, "full": False, "accepted": "null"}
    yield Specimen("account-no_passkeys", "account", COMPLETE["account"] | {"passkeys": none})
    full = COMPLETE["account"]["passkeys"] | {"may_add": False, "full": True}
    yield Specimen("account-full", "account", COMPLETE["account"] | {"passkeys": full})
    program = {"is_loopback": True, "client_name": "shelf", "client_id": "shelf-cli", "redirect_host": "this device"}
    for again in ("password", "two_factor", "passkey"):
        yield Specimen(f"sign_in-again-{again}", "sign_in", COMPLETE["sign_in"] | {"again": again, "again_acr": "acr"})
    told = {"problem": "wrong", "tried_recovery_code": True}
    yield Specimen("second_step-recovery-wrong", "second_step", COMPLETE["second_step"] | told)
    yield Specimen("second_step-recovery-only", "second_step", COMPLETE["second_step"] | {"otp": False})
    off = {"on": False, "recovery_codes": 0, "may_make_codes": False, "once": "once-value"}
    yield Specimen("account-second-step-off", "account", COMPLETE["account"] | {"second_step": off})
    yield Specimen("account-no-codes", "account", COMPLETE["account"] | {"second_step": off | {"may_make_codes": True}})
    yield Specimen("forgot_password-sent", "forgot_password", COMPLETE["forgot_password"] | {"sent": True})
    section = COMPLETE["account"]["email_section"]
    for title, changed in (
        ("unverified", {"verified": False}),
        ("waiting", {"verified": False, "waiting_url": "/verify-email"}),
        ("none", {"address": None, "verified": False}),
        *((problem, {"problem": problem}) for problem in ("malformed", "same", "throttled")),
    ):
        told = {"email_section": section | changed}
        yield Specimen(f"account-email-{title}", "account", COMPLETE["account"] | told)
    told = {"email_section": section | {"verified": False}, "flash": "email_sent"}
    yield Specimen("account-email-on-its-way", "account", COMPLETE["account"] | told)
    yield Specimen("signed_out-by-himself", "signed_out", {"sign_in_url": "/login"})
    stale = {"problem": "stale", "detail": None, "reference": None}
    for path in ("/account", "/login", "/authorize/resume?request=request-value"):
        told = stale | {"continue_url": f"https://id.example{path}"}
        yield Specimen(f"error-stale-{path.strip('/').partition('/')[0]}", "error", COMPLETE["error"] | told)
    yield Specimen("consent-loopback", "consent", COMPLETE["consent"] | program)
    by_form = {
        "problem": "out_of_reach",
        "account_url": "/account",
        "other_user_url": "/login?request=request-value",
        "continue_url": "https://books.example/cb",
        "continue_fields": {"error": "unmet_authentication_requirements", "state": "state-value"},
    }
    yield Specimen("error-by-form", "error", COMPLETE["error"] | by_form | {"detail": None, "reference": None})
