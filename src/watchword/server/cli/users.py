"""``watchword users``."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from watchword.server.cli.printing import AsJson, moment, print_done, print_record, print_records
from watchword.server.cli.running import IDS_MAY_BEGIN_WITH_A_DASH, Failed, run
from watchword.server.domain.user import User
from watchword.server.flows.parts import Parts

program = typer.Typer(help="People who sign in.", no_args_is_help=True, rich_markup_mode=None)

_COLUMNS = ("username", "sub", "email", "roles", "enabled", "created_at")
_LONGEST_INPUT = 64 * 1024

Name = Annotated[str, typer.Argument(metavar="NAME", help="User name, or sub.")]
Roles = Annotated[list[str] | None, typer.Option(metavar="R", help="A role of the user; may be repeated.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@program.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="User name.")],
    *,
    password_stdin: PasswordStdin,  # noqa: ARG001 - there is no other way, and the flag says so
    email: Annotated[str | None, typer.Option(metavar="E", help="E-mail address; counts once it is verified.")] = None,
    email_verified: Annotated[
        bool, typer.Option("--email-verified", help="The address is known to be the user's: mail goes there at once.")
    ] = False,
    role: Roles = None,
    as_json: AsJson = False,
) -> None:
    """Add a user."""
    from watchword.server.flows.admin import users

    if email_verified and email is None:
        raise Failed("--email-verified is about an address: give it by --email")
    wanted = users.NewUser(
        username=name,
        password=_password(),
        email=email,
        email_verified=email_verified,
        roles=tuple(role or ()),
    )
    user = run(lambda parts: users.create(parts, wanted), beginning=True)
    print_done(f"created user {user.username} ({user.sub})", _record(user), as_json=as_json)


@program.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show all users."""
    from watchword.server.flows.admin import users

    found = run(users.listed)
    print_records([_record(user) for user in found], columns=_COLUMNS, as_json=as_json, none="no users yet")


@program.command(context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def show(name: Name, *, as_json: AsJson = False) -> None:
    """Show one user."""
    from watchword.server.flows.admin import users

    print_record(_record(run(lambda parts: users.shown(parts, name))), as_json=as_json)


@program.command(context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def disable(name: Name, *, as_json: AsJson = False) -> None:
    """Shut a user out; all his sessions end at once, for good."""
    from watchword.server.flows.admin import users

    user = run(lambda parts: users.disable(parts, name))
    print_done(f"disabled user {user.username}; all sessions ended", _record(user), as_json=as_json)


@program.command(context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def enable(name: Name, *, as_json: AsJson = False) -> None:
    """Let a user sign in again; what ended stays ended."""
    from watchword.server.flows.admin import users

    user = run(lambda parts: users.enable(parts, name))
    print_done(f"enabled user {user.username}", _record(user), as_json=as_json)


@program.command(context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def delete(name: Name, *, as_json: AsJson = False) -> None:
    """Delete a user with all sessions; the name is free again."""
    from watchword.server.flows.admin import users

    user = run(lambda parts: users.delete(parts, name))
    print_done(f"deleted user {user.username} ({user.sub})", _record(user), as_json=as_json)


@program.command("set-password", context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def set_password(
    name: Name,
    *,
    password_stdin: PasswordStdin,  # noqa: ARG001 - as in create
    as_json: AsJson = False,
) -> None:
    """Give a user another password; all his sessions end."""
    from watchword.server.flows.admin import users

    password = _password()
    user = _told(lambda parts: users.set_password(parts, name, password))
    print_done(f"set the password of {user.username}; all sessions ended", _record(user), as_json=as_json)


@program.command("set-email", context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def set_email(
    name: Name,
    email: Annotated[str, typer.Argument(metavar="E", help="E-mail address.")],
    *,
    verified: Annotated[
        bool, typer.Option("--verified", help="The address is known to be the user's: mail goes there at once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give a user another e-mail address; all his sessions end. The address before hears of it."""
    from watchword.server.flows.admin import users

    user = _told(lambda parts: users.set_email(parts, name, email, verified=verified))
    print_done(f"set the e-mail address of {user.username}; all sessions ended", _record(user), as_json=as_json)


@program.command("set-roles", context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def set_roles(
    name: Name,
    *,
    role: Roles = None,
    none: Annotated[bool, typer.Option("--none", help="Take all roles away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a user these roles and no others. What he may do follows with each refresh; nobody is signed out."""
    from watchword.server.flows.admin import users

    if none is bool(role):
        raise typer.BadParameter("name the roles that he is to have, or say --none", param_hint="--role")
    user = run(lambda parts: users.set_roles(parts, name, role or ()))
    roles = ", ".join(sorted(user.roles)) or "none"
    print_done(f"{user.username} has these roles now: {roles}", _record(user), as_json=as_json)


@program.command(context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def factors(name: Name, *, as_json: AsJson = False) -> None:
    """Show what a user has enrolled beside the password."""
    from watchword.server.flows.admin import factors

    found = run(lambda parts: factors.shown(parts, name))
    passkeys = [
        {
            "name": one.name,
            "created_at": moment(one.created_at),
            "last_used_at": None if one.last_used_at is None else moment(one.last_used_at),
        }
        for one in found.passkeys
    ]
    record = {
        "sub": found.user.sub,
        "username": found.user.username,
        "authenticator_app_since": None if found.totp_since is None else moment(found.totp_since),
        "passkeys": passkeys if as_json else [f"{one['name']} ({one['created_at']})" for one in passkeys],
        "recovery_codes": found.recovery_codes,
    }
    print_record(record, as_json=as_json)


@program.command("remove-factors", context_settings=IDS_MAY_BEGIN_WITH_A_DASH)
def remove_factors(name: Name, *, as_json: AsJson = False) -> None:
    """Take a user's lost factors away; all his sessions end. His password alone does again."""
    from watchword.server.flows.admin import factors

    async def removal(parts: Parts) -> tuple[User, bool, bool]:
        return *await factors.remove(parts, name), parts.sends_mail

    user, removed, sends_mail = run(removal)
    if removed:
        _say_if_nobody_writes(user, sends_mail=sends_mail)
        done = f"removed all factors of {user.username}; all sessions ended"
    else:
        done = f"{user.username} has no factors; nothing was changed"
    print_done(done, _record(user), as_json=as_json)


def _told(change: Callable[[Parts], Awaitable[User]]) -> User:
    """Carry out a change of which users hear by mail, and say where this one does not."""

    async def whole(parts: Parts) -> tuple[User, bool]:
        return await change(parts), parts.sends_mail

    user, sends_mail = run(whole)
    _say_if_nobody_writes(user, sends_mail=sends_mail)
    return user


def _say_if_nobody_writes(user: User, *, sends_mail: bool) -> None:
    if user.email_verified and not sends_mail:
        typer.echo("watchword: no mail server is set here (WATCHWORD_SMTP_URL), so no mail tells the user", err=True)


def _password() -> str:
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("password: ")
    written = sys.stdin.buffer.read(_LONGEST_INPUT)
    try:
        return written.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeError:
        raise Failed("the password on standard input is not UTF-8 text") from None


def _record(user: User) -> dict[str, Any]:
    return {
        "sub": user.sub,
        "username": user.username,
        "email": user.email,
        "email_verified": user.email_verified,
        "roles": sorted(user.roles),
        "enabled": user.enabled,
        "epoch": user.epoch,
        "created_at": moment(user.created_at),
    }
