"""What each page is told: the names it takes, those that may be left out, and the problems it can tell of.

Instants are seconds since the epoch, as everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

PageName = Literal[
    "sign_in",
    "second_step",
    "sign_up",
    "consent",
    "sign_out",
    "signed_out",
    "error",
    "form_post",
    "forgot_password",
    "reset_password",
    "verify_email",
    "dead_link",
    "account",
    "new_passkey",
    "totp",
    "recovery_codes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A page's names.

    Attributes:
        needs: must be given.
        takes: may be given; with what stands for them otherwise.
        problems: what ``problem`` may be, None (nothing is wrong) aside.
        posts_to_us: whether it holds a form that comes back to this server.
        posts_elsewhere: the name whose value makes it hold a form that goes to an application; None if it never does.
        in_flow: whether an application may have opened it in a window of its own, to wait for what comes back.
        urls: names whose values are links or targets of forms.
    """

    needs: frozenset[str]
    takes: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    flashes: tuple[str, ...] = ()
    posts_to_us: bool = False
    posts_elsewhere: str | None = None
    in_flow: bool = True
    urls: tuple[str, ...] = ()

    def holds_form(self, filled: Mapping[str, object]) -> bool:
        """Whether the page holds a form, told what it is."""
        return self.posts_to_us or (self.posts_elsewhere is not None and bool(filled[self.posts_elsewhere]))

    def filled(self, given: Mapping[str, object]) -> dict[str, object]:
        """``given``, with what was left out.

        Raises:
            TypeError: a name is missing or unknown.
            ValueError: a problem that this page knows nothing of, or a URL that a page must not lead to.
        """
        missing, unknown = self.needs - given.keys(), given.keys() - self.needs - self.takes.keys()
        if missing or unknown:
            raise TypeError(f"a page's context: missing {sorted(missing)}, unknown {sorted(unknown)}")
        whole = {**self.takes, **given}
        for name, known in (("problem", self.problems), ("flash", self.flashes)):
            if whole.get(name) is not None and whole[name] not in known:
                raise ValueError(f"this page has no such {name}")
        for name in self.urls:
            if whole[name] is not None and not leads_somewhere(cast("str", whole[name])):
                raise ValueError(f"{name} is no URL that a page may lead to")
        return whole


# Schemes that run or show something in the name of the page that links to them, or of the file system.
_NEVER: Final = frozenset({"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source"})


def leads_somewhere(url: str) -> bool:
    """Whether a page may link or post to it: a path of this server, https, http, or an application's own scheme."""
    # Browsers drop tabs and line ends from URLs, and take a backslash for a slash.
    if not url.isprintable() or " " in url or "\\" in url:
        return False
    if url.startswith("/"):
        return not url.startswith("//")
    scheme, colon, rest = url.partition(":")
    if not colon or not rest or not scheme[:1].isalpha() or scheme.lower() in _NEVER:
        return False
    return scheme.isascii() and all(letter.isalnum() or letter in "+-." for letter in scheme)


CONTEXTS: Final[Mapping[PageName, Context]] = {
    # ``passkey``: where passkeys can be had: a dict of options (JSON), challenge (sealed), lifetime (of the challenge,
    # in seconds), demanded (no other sign-in will do).
    # Who are you? ``request``: the authorization request in progress. ``retry_after``: seconds, where throttled.
    # ``client_name``: where the user goes on to. ``again``: how strongly who is signed in has to sign in once more, to
    # change something about his account; ``again_acr`` goes back with the form then.
    "sign_in": Context(
        needs=frozenset({"action", "csrf"}),
        takes={
            "request": "",
            "username": "",
            "problem": None,
            "retry_after": None,
            "client_name": None,
            "sign_up_url": None,
            "forgotten_url": None,
            "flash": None,
            "again": None,
            "again_acr": "",
            "passkey": None,
        },
        problems=(
            "credentials",
            "throttled",
            "busy",
            "stale",
            "expired",
            "passkey",
            "passkey_stale",
            "passkey_suspicious",
            "passkey_wanted",
        ),
        flashes=("signed_out", "everywhere", "password_reset"),
        posts_to_us=True,
        urls=("action", "sign_up_url", "forgotten_url"),
    ),
    # ``step``: what is known of the sign-in, sealed. ``otp``, ``recovery_code``: what can be typed;
    # ``tried_recovery_code``: the problem is about that one. ``restart_url``: to begin with another name.
    "second_step": Context(
        needs=frozenset({"action", "csrf", "step", "username"}),
        takes={
            "request": "",
            "otp": True,
            "recovery_code": True,
            "again_acr": "",
            "tried_recovery_code": False,
            "problem": None,
            "retry_after": None,
            "client_name": None,
            "restart_url": None,
        },
        problems=("wrong", "throttled"),
        posts_to_us=True,
        urls=("action", "restart_url"),
    ),
    # ``explanation``: why the password was refused, or what is malformed, as a sentence.
    "sign_up": Context(
        needs=frozenset({"action", "csrf"}),
        takes={
            "request": "",
            "username": "",
            "email": "",
            "problem": None,
            "explanation": "",
            "retry_after": None,
            "client_name": None,
            "sign_in_url": None,
        },
        problems=("taken", "password", "malformed", "throttled", "busy", "stale"),
        posts_to_us=True,
        urls=("action", "sign_in_url"),
    ),
    # ``apis``: pairs of an audience and its scopes. ``redirect_host``: where the browser goes afterwards.
    # ``is_loopback``: the application is a program on this machine (or behind a scheme of its own), and cannot prove
    # who it is; the user is warned then, and ``redirect_host`` is not shown. ``other_user_url``: to sign in as
    # somebody else.
    "consent": Context(
        needs=frozenset(
            {
                "action",
                "csrf",
                "request",
                "client_name",
                "client_id",
                "redirect_host",
                "apis",
                "openid_scopes",
                "lifetime_days",
                "is_loopback",
                "username",
            }
        ),
        takes={"other_user_url": None},
        posts_to_us=True,
        urls=("action", "other_user_url"),
    ),
    # ``hidden``: fields of the form beside ``csrf``. ``stay_url``: for somebody who thinks better of it.
    "sign_out": Context(
        needs=frozenset({"action", "csrf", "username"}),
        takes={"hidden": {}, "client_name": None, "stay_url": None},
        posts_to_us=True,
        urls=("action", "stay_url"),
    ),
    # ``sign_in_url``: where the user came by himself, and no application waits for him.
    "signed_out": Context(
        needs=frozenset(),
        takes={"continue_url": None, "client_name": None, "sign_in_url": None},
        urls=("continue_url", "sign_in_url"),
    ),
    # ``detail``: safe to show; a sentence that no text knows is meant for who made the application, and is shown small.
    # ``reference``: an id by which the operator finds the log line, or None. With
    # ``continue_fields`` the way on to ``continue_url`` is a form. ``other_user_url``: to sign in as somebody else.
    "error": Context(
        needs=frozenset({"problem", "reference"}),
        takes={
            "detail": None,
            "continue_url": None,
            "continue_fields": None,
            "account_url": None,
            "other_user_url": None,
            "retry_after": None,
        },
        problems=(
            "unknown_client",
            "bad_redirect_uri",
            "out_of_reach",
            "bad_request",
            "unavailable",
            "throttled",
            "expired",
            "stale",
            "not_found",
            "forbidden",
            "server_error",
        ),
        posts_elsewhere="continue_fields",
        urls=("continue_url", "account_url", "other_user_url"),
    ),
    # ``action``: the application's redirect URI; it must be among ``form_targets`` by itself, and is.
    "form_post": Context(
        needs=frozenset({"action", "fields"}),
        takes={"client_name": None},
        posts_elsewhere="action",
        urls=("action",),
    ),
    # ``sent``: the request was taken, and it is said what happens now.
    "forgot_password": Context(
        needs=frozenset({"action", "csrf"}),
        takes={"request": "", "sent": False, "problem": None, "retry_after": None, "sign_in_url": None},
        problems=("throttled",),
        posts_to_us=True,
        urls=("action", "sign_in_url"),
    ),
    # ``link``: which link the form is for, here and below; the problem ``other_link``: it was another one.
    "reset_password": Context(
        needs=frozenset({"action", "csrf", "link", "username"}),
        takes={"problem": None, "explanation": ""},
        problems=("password", "mismatch", "busy", "other_link"),
        posts_to_us=True,
        in_flow=False,
        urls=("action",),
    ),
    # ``replaces``: the user has another address now. With another problem than ``other_link`` there is neither a form
    # nor an address.
    "verify_email": Context(
        needs=frozenset({"action", "csrf", "link", "username", "email", "sign_in_url", "sign_out_url"}),
        takes={"replaces": False, "problem": None},
        problems=("signed_out", "other_user", "other_link"),
        posts_to_us=True,
        in_flow=False,
        urls=("action", "sign_in_url", "sign_out_url"),
    ),
    # Where to get another link; for the address that is to be proved, on the account page.
    "dead_link": Context(
        needs=frozenset(),
        takes={"forgotten_url": None, "account_url": None},
        in_flow=False,
        urls=("forgotten_url", "account_url"),
    ),
    # ``now``: when the page is made. ``sessions``: dicts of sid, device, created_at, last_seen_at, current.
    # ``applications``: dicts of client_id, name, scopes, granted_at. ``email_section``: a dict of address (or None),
    # verified, sends_mail, problem (malformed, same, throttled or None), waiting_url (where an opened link goes on, or
    # None). ``passkeys``: a dict of held (dicts of credential_id, name, synchronised, created_at, last_used_at),
    # may_add, full, accepted (JSON); None where there are none to be had.
    # ``second_step``: a dict of on (there is an authenticator app), recovery_codes (left), may_make_codes, once (goes
    # with the form for new codes, and makes it another than any before).
    "account": Context(
        needs=frozenset({"action", "username", "email_section", "csrf", "sessions", "applications", "now"}),
        takes={
            "passkeys": None,
            "second_step": None,
            "flash": None,
            "problem": None,
            "explanation": "",
            "retry_after": None,
            "sign_out_url": None,
        },
        problems=("current", "password", "mismatch", "throttled", "busy", "stale"),
        flashes=(
            "password_changed",
            "session_ended",
            "application_removed",
            "passkey_added",
            "passkey_removed",
            "email_sent",
            "email_verified",
            "email_changed",
            "totp_added",
            "totp_removed",
            "codes_shown",
        ),
        posts_to_us=True,
        in_flow=False,
        urls=("action", "sign_out_url"),
    ),
    # ``options`` (JSON) and ``challenge`` (sealed, of ``lifetime`` seconds) of the ceremony; ``name``: what to call it.
    "new_passkey": Context(
        needs=frozenset({"action", "csrf", "options", "challenge", "lifetime"}),
        takes={"name": "", "problem": None, "account_url": None},
        problems=("refused", "taken", "name"),
        posts_to_us=True,
        in_flow=False,
        urls=("action", "account_url"),
    ),
    # ``pending``: the seed, sealed; ``secret``: the seed to type, in groups; ``uri``: to open in an app on this device;
    # ``qr``: a dict of size and path.
    "totp": Context(
        needs=frozenset({"action", "csrf", "pending", "secret", "uri", "qr"}),
        takes={"problem": None, "account_url": None},
        problems=("wrong",),
        posts_to_us=True,
        in_flow=False,
        urls=("action", "uri", "account_url"),
    ),
    # ``codes``: as they are to be kept.
    "recovery_codes": Context(
        needs=frozenset({"codes"}), takes={"account_url": None}, in_flow=False, urls=("account_url",)
    ),
}
