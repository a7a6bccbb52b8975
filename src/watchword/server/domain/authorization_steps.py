"""The steps of an authorization request, in the order in which they are taken. Reading STEPS is reading the RFCs.

Nothing can be sent to a redirect URI before ``exact_redirect_uri`` has passed: until then the draft has none, and a
refusal becomes a page. Afterwards it goes back to the application.

Implements: RFC 6749 §4.1.1, §4.1.2.1; RFC 9700 §2.1, §4.1.3, §4.11; RFC 7636 §4.4.1; RFC 8707 §2.1;
OpenID Connect Core 1.0 §3.1.2.1, §3.1.2.2, §5.5, §6.1; RFC 9470 §4.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from watchword.protocol import pkce, redirect_uri
from watchword.protocol.authentication_class import LADDER, satisfies
from watchword.protocol.errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    RequestNotSupported,
    RequestTooLarge,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnmetAuthenticationRequirements,
    UnsupportedResponseType,
)
from watchword.protocol.resource_indicator import parse_resource
from watchword.protocol.scope import Scope
from watchword.server.domain import permission, travelling_request
from watchword.server.domain.api import Catalog
from watchword.server.domain.authorization_request import AuthorizationRequest, Prompt, ResponseMode
from watchword.server.domain.claims_request import parse_claims
from watchword.server.domain.client import Client
from watchword.server.domain.travelling_request import Parameters

_MAX_STATE: Final = 2048
_PROMPTS: Final[tuple[Prompt, ...]] = ("none", "login", "consent", "select_account", "create")
# What means something here; everything else is ignored. A step sees nothing that is not listed.
KNOWN: Final = frozenset(
    {
        *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "resource"),
        *("code_challenge", "code_challenge_method", "request", "request_uri", "dpop_jkt"),
        *("nonce", "prompt", "max_age", "acr_values", "id_token_hint", "login_hint", "claims"),
        *("display", "ui_locales", "claims_locales"),
    }
)


class NotToBeRedirected(Exception):
    """A refusal that must not leave this server: the redirect URI is not known to be the client's.

    Attributes:
        problem: which error page.
        again: an address of ours from where the user can go on, if there is one.
    """

    def __init__(self, problem: str, detail: str, *, again: str | None = None) -> None:
        super().__init__(detail)
        self.problem = problem
        self.again = again


class ToTheClient(Exception):
    """A refusal for the application: where, how, and with which state."""

    def __init__(self, error: OAuthError, draft: "Draft") -> None:
        super().__init__(str(error))
        self.error = error
        self.redirect_uri = draft.redirect_uri or ""
        self.response_mode: ResponseMode = draft.response_mode
        self.state = draft.state
        self.silent = "none" in draft.prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the steps judge by.

    Attributes:
        hinted_sub: of a good ``id_token_hint``, None for a bad one or none.
        classes: of sign-in, that can be had here.
    """

    client: Client | None
    catalog: Catalog
    issuer: str
    hinted_sub: str | None
    classes: tuple[str, ...] = LADDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is known so far."""

    parameters: Parameters
    redirect_uri: str | None = None
    response_mode: ResponseMode = "query"
    state: str | None = None
    scope: Scope = Scope()
    resources: tuple[str, ...] = ()
    code_challenge: str | None = None
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    acr_wished: tuple[str, ...] = ()
    hinted_sub: str | None = None
    id_token_claims: tuple[str, ...] = ()

    def one(self, name: str) -> str | None:
        """The parameter; None if it is missing or empty.

        Raises:
            InvalidRequest: it is there twice. RFC 6749 §3.1: parameters "MUST NOT be included more than once".
        """
        values = [value for key, value in self.parameters if key == name]
        if len(values) > 1:
            raise InvalidRequest(f"{name} is there twice", slug="authorize.repeated_parameter")
        return values[0] or None if values else None


Step: TypeAlias = Callable[[Draft, World], Draft]


def known_client(draft: Draft, world: World) -> Draft:
    """The client exists and is enabled."""
    if draft.one("client_id") is None or world.client is None or not world.client.enabled:
        raise NotToBeRedirected("unknown_client", "client_id is missing, unknown or disabled")
    return draft


def exact_redirect_uri(draft: Draft, world: World) -> Draft:
    """RFC 9700 §2.1: "exact string matching"; a request without one is refused even if only one is registered."""
    given = draft.one("redirect_uri")
    registered = world.client.redirect_uris if world.client else ()
    if given is None or not any(redirect_uri.matches(one, given) for one in registered):
        raise NotToBeRedirected("bad_redirect_uri", "redirect_uri is missing or not one of the client's")
    return replace(draft, redirect_uri=given)


def state_kept(draft: Draft, _: World) -> Draft:
    """The state goes back as it came, so it is read before anything else can be refused."""
    state = draft.one("state")
    if state is not None and (len(state) > _MAX_STATE or not state.isprintable()):
        raise InvalidRequest(f"state is printable and has at most {_MAX_STATE} characters", slug="authorize.state")
    return replace(draft, state=state)


def prompts_known(draft: Draft, _: World) -> Draft:
    """``prompt``; "none" stands alone. Read early: a silent request is answered silently, also with an error."""
    words = (draft.one("prompt") or "").split()
    prompt: frozenset[Prompt] = frozenset(word for word in _PROMPTS if word in words)
    if "none" in prompt and len(words) > 1:
        raise InvalidRequest("prompt=none stands alone", slug="authorize.prompt")
    if len(prompt) != len(set(words)):
        raise InvalidRequest("an unknown prompt", slug="authorize.prompt")
    return replace(draft, prompt=prompt)


def response_mode_known(draft: Draft, _: World) -> Draft:
    """``query`` or ``form_post``; a fragment never leaves this server."""
    match draft.one("response_mode"):
        case None | "query":
            return draft
        case "form_post":
            return replace(draft, response_mode="form_post")
        case _:
            raise InvalidRequest("response_mode is query or form_post", slug="authorize.response_mode")


def not_too_large(draft: Draft, _: World) -> Draft:
    """What would not come back from the sign-in page is not begun."""
    if not travelling_request.fits(draft.parameters):
        raise RequestTooLarge("the request is too large", slug="authorize.too_large")
    return draft


def response_type_code(draft: Draft, _: World) -> Draft:
    """RFC 9700 §2.1.2: the implicit grant is not offered."""
    response_type = draft.one("response_type")
    if response_type is None:
        raise InvalidRequest("response_type is missing", slug="authorize.response_type")
    if response_type != "code":
        raise UnsupportedResponseType(slug="authorize.response_type")
    return draft


def no_request_object(draft: Draft, _: World) -> Draft:
    """A pushed request was taken up before; what is still here is of somebody else's making."""
    if draft.one("request") is not None:
        raise RequestNotSupported(slug="authorize.request_object")
    if draft.one("request_uri") is not None:
        raise RequestUriNotSupported(slug="authorize.request_uri")
    return draft


def grant_type_allowed(draft: Draft, world: World) -> Draft:
    """The client is registered for the code grant."""
    if world.client is None or "authorization_code" not in world.client.grant_types:
        raise UnauthorizedClient("the client is not registered for authorization_code", slug="authorize.grant_type")
    return draft


def pkce_s256(draft: Draft, world: World) -> Draft:
    """RFC 9700 §2.1.1: PKCE for every client, by S256 alone; only a confidential one may be excused."""
    challenge, method = draft.one("code_challenge"), draft.one("code_challenge_method")
    if challenge is None:
        if method is not None or world.client is None or world.client.requires_pkce:
            raise InvalidRequest("code_challenge is missing: PKCE with S256 is required", slug="authorize.pkce")
        return draft
    try:
        return replace(draft, code_challenge=pkce.parse_challenge(challenge, method or "plain"))
    except ValueError as error:
        raise InvalidRequest(str(error), slug="authorize.pkce") from None


def scope_well_formed(draft: Draft, _: World) -> Draft:
    """The scope is one; what of it may be given is known when the user is."""
    try:
        return replace(draft, scope=Scope.parse(draft.one("scope") or ""))
    except ValueError as error:
        raise InvalidScope(str(error), slug="scope.malformed") from None


def nonce_without_pkce(draft: Draft, world: World) -> Draft:
    """RFC 9700 §2.1.1: a client without PKCE relies on the nonce of an ID token, so there must be both."""
    if draft.code_challenge is not None or world.client is None:
        return draft
    if "openid" not in (draft.scope or world.client.scope) or draft.one("nonce") is None:
        raise InvalidRequest("without code_challenge, scope openid and a nonce are required", slug="authorize.nonce")
    return draft


def resources_allowed(draft: Draft, world: World) -> Draft:
    """RFC 8707 §2.1: the resources are the client's; together with the scope they name the audiences."""
    values = tuple(value for key, value in draft.parameters if key == "resource" and value)
    if world.client is None:
        return draft
    try:
        resources = tuple(parse_resource(value) for value in values)
        wanted = draft.scope or world.client.scope
        targets = permission.audiences(
            wanted, resources, client=world.client, catalog=world.catalog, issuer=world.issuer
        )
        everything = frozenset(world.catalog.roles)
        permission.grantable(draft.scope, targets, client=world.client, catalog=world.catalog, roles=everything)
    except permission.NoSuchTarget:
        raise InvalidTarget(slug="resource.not_allowed") from None
    except permission.NothingGranted:
        raise InvalidScope(slug="scope.not_allowed") from None
    except ValueError as error:
        raise InvalidTarget(str(error), slug="resource.malformed") from None
    return replace(draft, resources=resources)


def claims_understood(draft: Draft, _: World) -> Draft:
    """``claims`` is well-formed."""
    text = draft.one("claims")
    if text is None:
        return draft
    try:
        asked = parse_claims(text)
    except ValueError as error:
        raise InvalidRequest(str(error), slug="authorize.claims") from None
    return replace(
        draft,
        acr_values=asked.acr_values,
        acr_wished=asked.acr_wished,
        hinted_sub=asked.sub,
        id_token_claims=asked.id_token,
    )


def age_known(draft: Draft, _: World) -> Draft:
    """``max_age`` is a number."""
    age = draft.one("max_age")
    if age is not None and not (age.isascii() and age.isdecimal() and len(age) <= 9):
        raise InvalidRequest("max_age is a number of seconds", slug="authorize.max_age")
    return replace(draft, max_age=None if age is None else int(age))


def strength_within_reach(draft: Draft, world: World) -> Draft:
    """What ``acr_values`` and an essential ``acr`` of ``claims`` demand: both, and something here must meet them.

    RFC 9470 §5 has the server refuse what it cannot meet. OpenID Connect Core 1.0 §5.5.1.1 leaves it open what becomes
    of a request with both; an essential ``acr`` that is not met is a failed sign-in there, a voluntary one is none.
    """
    demands = [tuple((draft.one("acr_values") or "").split()), draft.acr_values]
    acr_values = _meeting(demands, world)
    if acr_values is None:
        raise UnmetAuthenticationRequirements(slug="authorize.acr")
    wished = _meeting([*demands, draft.acr_wished], world) if draft.acr_wished else None
    return replace(draft, acr_values=acr_values, acr_wished=wished or ())


def _meeting(demands: list[tuple[str, ...]], world: World) -> tuple[str, ...] | None:
    """The classes that meet every demand; empty where nothing is demanded, None where there are none here."""
    if not any(demands):
        return ()
    return tuple(one for one in world.classes if all(satisfies(one, demand) for demand in demands)) or None


def hint_is_ours(draft: Draft, world: World) -> Draft:
    """An ``id_token_hint`` that we did not make is a mistake worth telling."""
    if draft.one("id_token_hint") is not None and world.hinted_sub is None:
        raise InvalidRequest("id_token_hint is no ID token of this issuer", slug="authorize.id_token_hint")
    if None not in (draft.hinted_sub, world.hinted_sub) and draft.hinted_sub != world.hinted_sub:
        raise InvalidRequest("claims and id_token_hint name two users", slug="authorize.id_token_hint")
    return replace(draft, hinted_sub=draft.hinted_sub or world.hinted_sub)


def rest_at_most_once(draft: Draft, _: World) -> Draft:
    """Every other parameter that we know is there once."""
    for name in sorted(KNOWN - {"resource"}):
        draft.one(name)
    return draft


STEPS: Final[tuple[Step, ...]] = (
    known_client,
    exact_redirect_uri,
    state_kept,
    prompts_known,
    response_mode_known,
    not_too_large,
    response_type_code,
    no_request_object,
    grant_type_allowed,
    pkce_s256,
    scope_well_formed,
    nonce_without_pkce,
    resources_allowed,
    claims_understood,
    age_known,
    strength_within_reach,
    hint_is_ours,
    rest_at_most_once,
)


def known(parameters: Parameters) -> Parameters:
    """Those parameters that mean something here, in order."""
    return tuple((name, value) for name, value in parameters if name in KNOWN)


def understand(parameters: Parameters, world: World) -> AuthorizationRequest:
    """The request that ``parameters`` make.

    Raises:
        NotToBeRedirected: the redirect URI is not known to be the client's.
        ToTheClient: refused, and the application is told.
    """
    draft = Draft(parameters=known(parameters))
    for step in STEPS:
        try:
            draft = step(draft, world)
        except OAuthError as error:
            if draft.redirect_uri is None:
                raise NotToBeRedirected("bad_request", error.description) from None
            raise ToTheClient(error, draft) from None
    if world.client is None or draft.redirect_uri is None:
        raise AssertionError("the first two steps see to this")
    return AuthorizationRequest(
        client_id=world.client.client_id,
        redirect_uri=draft.redirect_uri,
        response_mode=draft.response_mode,
        scope=draft.scope,
        resources=draft.resources,
        code_challenge=draft.code_challenge,
        state=draft.state,
        nonce=draft.one("nonce"),
        prompt=draft.prompt,
        max_age=draft.max_age,
        acr_values=draft.acr_values,
        acr_wished=draft.acr_wished,
        hinted_sub=draft.hinted_sub,
        id_token_claims=draft.id_token_claims,
        login_hint=draft.one("login_hint"),
        ui_locales=tuple((draft.one("ui_locales") or "").split()),
    )
