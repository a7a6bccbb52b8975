"""What each page is told: the names it takes, those that may be left out, and the problems it can tell of.

Instants are seconds since the epoch, as everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

PageName = Literal["sign_in", "sign_up", "consent", "sign_out", "signed_out", "error", "form_post", "account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A page's names.

    Attributes:
        needs: must be given.
        takes: may be given; with what stands for them otherwise.
        problems: what ``problem`` may be, None (nothing is wrong) aside.
        posts_to_us: whether it holds a form that comes back to this server.
        in_flow: whether an application may have opened it in a window of its own, to wait for what comes back.
        urls: names whose values are links or targets of forms.
    """

    needs: frozenset[str]
    takes: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    flashes: tuple[str, ...] = ()
    posts_to_us: bool = False
    in_flow: bool = True
    urls: tuple[str, ...] = ()

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
    # Who are you? ``request``: the authorization request in progress. ``retry_after``: seconds, where throttled.
    # ``client_name``: where the user goes on to.
    "sign_in": Context(
        needs=frozenset({"action", "csrf"}),
        takes={
            "request": "",
            "username": "",
            "problem": None,
            "retry_after": None,
            "client_name": None,
            "sign_up_url": None,
            "flash": None,
        },
        problems=("credentials", "throttled", "busy", "stale"),
        flashes=("signed_out", "everywhere"),
        posts_to_us=True,
        urls=("action", "sign_up_url"),
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
    "signed_out": Context(needs=frozenset(), takes={"continue_url": None, "client_name": None}, urls=("continue_url",)),
    # ``detail``: safe to show; ``reference``: the request's id, by which the operator finds the log line, or None.
    "error": Context(
        needs=frozenset({"problem", "reference"}),
        takes={"detail": None, "continue_url": None, "retry_after": None},
        problems=(
            "unknown_client",
            "bad_redirect_uri",
            "bad_request",
            "unavailable",
            "throttled",
            "expired",
            "stale",
            "not_found",
            "forbidden",
            "server_error",
        ),
        urls=("continue_url",),
    ),
    # ``action``: the application's redirect URI; it must be among ``form_targets`` by itself, and is.
    "form_post": Context(needs=frozenset({"action", "fields"}), takes={"client_name": None}, urls=("action",)),
    # ``now``: when the page is made. ``sessions``: dicts of sid, device, created_at, last_seen_at, current.
    # ``applications``: dicts of client_id, name, scopes, granted_at.
    "account": Context(
        needs=frozenset({"action", "username", "email", "csrf", "sessions", "applications", "now"}),
        takes={"flash": None, "problem": None, "explanation": "", "retry_after": None, "sign_out_url": None},
        problems=("current", "password", "mismatch", "throttled", "busy", "stale"),
        flashes=("password_changed", "session_ended", "everywhere", "application_removed"),
        posts_to_us=True,
        in_flow=False,
        urls=("action", "sign_out_url"),
    ),
}
