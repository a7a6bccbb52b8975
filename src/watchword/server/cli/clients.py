"""``watchword clients``."""

from typing import Annotated, Any, Final, cast, get_args

import typer

from watchword.server.cli.printing import AsJson, moment, print_done, print_json, print_record, print_records
from watchword.server.cli.running import Failed, run
from watchword.server.domain.client import AUTH_METHODS, GRANT_TYPES, AuthMethod, Client, ClientType, GrantType, Reuse
from watchword.server.domain.lifetimes import ProfileName

program = typer.Typer(help="Clients: programs that ask for tokens.", no_args_is_help=True, rich_markup_mode=None)

_COLUMNS: Final = ("client_id", "name", "type", "auth_method", "grant_types", "scope", "apis", "enabled")
# Planned, and refused until they are there.
_LATER: Final = ("private_key_jwt", "device_code", "token_exchange")


def _either(known: object) -> str:
    """``a|b``, as help shows the values of an option."""
    return "|".join(get_args(known))


ClientId = Annotated[str, typer.Argument(metavar="ID", help="The client's id.")]


@program.command()
def create(
    client_id: Annotated[str, typer.Argument(metavar="ID", help="2 to 64 letters, digits and ._~-")],
    *,
    kind: Annotated[
        ClientType | None,
        typer.Option("--type", metavar=_either(ClientType), help="public unless something needs a secret."),
    ] = None,
    grant_type: Annotated[
        list[str] | None, typer.Option(metavar="G", help=f"One of {', '.join(GRANT_TYPES)}; may be repeated.")
    ] = None,
    redirect_uri: Annotated[
        list[str] | None, typer.Option(metavar="U", help="Where sign-in may return to; may be repeated.")
    ] = None,
    post_logout_redirect_uri: Annotated[
        list[str] | None, typer.Option(metavar="U", help="Where sign-out may return to; may be repeated.")
    ] = None,
    backchannel_logout_uri: Annotated[
        str | None, typer.Option(metavar="U", help="Where it hears of sessions that ended, from server to server.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What users read; its id if unset.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="S", help="A scope that it may ask for; may be repeated.")
    ] = None,
    api: Annotated[
        list[str] | None, typer.Option(metavar="AUDIENCE", help="An API that it may use; those of its scopes if unset.")
    ] = None,
    first_party: Annotated[bool, typer.Option("--first-party", help="It may take user names and passwords.")] = False,
    origin: Annotated[
        list[str] | None, typer.Option(metavar="O", help="A web origin that may call; may be repeated.")
    ] = None,
    serves: Annotated[
        str | None,
        typer.Option(metavar="AUDIENCE", help="It is this API's resource server: may introspect, read feed."),
    ] = None,
    auth_method: Annotated[
        str | None, typer.Option(metavar="METHOD", help=f"One of {', '.join(AUTH_METHODS)}.")
    ] = None,
    no_pkce: Annotated[
        bool, typer.Option("--no-pkce", help="It may sign users in without PKCE; only with a secret.")
    ] = False,
    jwks: Annotated[str | None, typer.Option(hidden=True)] = None,
    jwks_uri: Annotated[str | None, typer.Option(hidden=True)] = None,
    reuse: Annotated[
        Reuse, typer.Option(metavar=_either(Reuse), help="strict: any second use of a refresh token is theft.")
    ] = "balanced",
    lifetime: Annotated[
        ProfileName | None,
        typer.Option(
            metavar=_either(ProfileName), help="How long its refresh tokens live; the server's setting if unset."
        ),
    ] = None,
    as_json: AsJson = False,  # noqa: ARG001 - it prints JSON anyhow, as the secret is for a program to store
) -> None:
    """Register a client. Prints its id and secret as JSON; the secret is shown this once, and is null if public."""
    from watchword.server.flows.admin import clients

    if jwks is not None or jwks_uri is not None:
        raise Failed("--jwks and --jwks-uri are not offered yet: take --auth-method client_secret_basic", status=2)
    wanted = clients.NewClient(
        client_id=client_id,
        type=kind,
        auth_method=cast("AuthMethod | None", _one_of(auth_method, AUTH_METHODS, "--auth-method")),
        grant_types=tuple(
            cast("GrantType", _one_of(one, GRANT_TYPES, "--grant-type")) for one in dict.fromkeys(grant_type or ())
        ),
        redirect_uris=tuple(redirect_uri or ()),
        post_logout_redirect_uris=tuple(post_logout_redirect_uri or ()),
        backchannel_logout_uri=backchannel_logout_uri,
        origins=tuple(origin or ()),
        scopes=tuple(token for text in scope or () for token in text.split()),
        apis=tuple(api or ()),
        serves=serves,
        first_party=first_party,
        name=name,
        requires_pkce=not no_pkce,
        reuse=reuse,
        lifetime=lifetime,
    )
    made = run(lambda parts: clients.create(parts, wanted), beginning=True)
    print_json({"client_id": made.client.client_id, "client_secret": made.secret})
    if not _is_good_for_something(made.client):
        typer.echo(
            f"watchword: {client_id} can get no token: delete it, and create it with --redirect-uri, --first-party "
            "or --grant-type client_credentials",
            err=True,
        )


@program.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show all clients."""
    from watchword.server.flows.admin import clients

    found = run(clients.listed)
    print_records([_record(client) for client in found], columns=_COLUMNS, as_json=as_json, none="no clients yet")


@program.command()
def show(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """Show one client. Never its secret, which nobody knows any more."""
    from watchword.server.flows.admin import clients

    print_record(_record(run(lambda parts: clients.shown(parts, client_id))), as_json=as_json)


@program.command()
def disable(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """Refuse a client at once; its access tokens die everywhere."""
    from watchword.server.flows.admin import clients

    client = run(lambda parts: clients.disable(parts, client_id))
    print_done(f"disabled client {client_id}; its access tokens are revoked", _record(client), as_json=as_json)


@program.command()
def enable(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """Let a client back in. It gets tokens at the earliest a minute after it was disabled."""
    from watchword.server.flows.admin import clients

    client = run(lambda parts: clients.enable(parts, client_id))
    since = moment(client.disabled_until)
    print_done(f"enabled client {client_id}; it gets tokens after {since}", _record(client), as_json=as_json)


@program.command("rotate-secret")
def rotate_secret(client_id: ClientId, *, as_json: AsJson = False) -> None:  # noqa: ARG001 - as in create
    """Give a client another secret, shown this once. The old one is worth nothing at once."""
    from watchword.server.flows.admin import clients

    made = run(lambda parts: clients.rotate_secret(parts, client_id))
    print_json({"client_id": made.client.client_id, "client_secret": made.secret})


@program.command()
def delete(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """Delete a client; its grants and access tokens die at once."""
    from watchword.server.flows.admin import clients

    client = run(lambda parts: clients.delete(parts, client_id))
    print_done(f"deleted client {client_id}; its tokens are revoked", _record(client), as_json=as_json)


def _is_good_for_something(client: Client) -> bool:
    """Whether anybody can sign in through the client, or it acts for itself or an API."""
    signs_users_in = client.first_party or bool(client.redirect_uris)
    return signs_users_in or client.serves is not None or "client_credentials" in client.grant_types


def _one_of(value: str | None, known: tuple[str, ...], flag: str) -> str | None:
    if value is None or value in known:
        return value
    if value.rpartition(":")[2].replace("-", "_") in _LATER:
        raise Failed(f"{flag} {value} is not offered yet: there is {', '.join(known)}", status=2)
    raise Failed(f"{flag} {value} is unknown: there is {', '.join(known)}", status=2)


def _record(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "type": client.type,
        "auth_method": client.auth_method,
        "grant_types": sorted(client.grant_types),
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "origins": list(client.origins),
        "scope": sorted(client.scope),
        "apis": list(client.apis),
        "serves": client.serves,
        "first_party": client.first_party,
        "requires_pkce": client.requires_pkce,
        "reuse": client.reuse,
        "lifetime": client.lifetime,
        "enabled": client.enabled,
        "tokens_after": moment(client.disabled_until) if client.disabled_until else None,
        "created_at": moment(client.created_at),
    }
