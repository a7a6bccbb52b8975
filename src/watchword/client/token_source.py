"""Tokens for threads: ``TokenSource`` drives the runs of ``refresh_steps`` and ``sign_in_steps`` by blocking."""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from watchword.client import token_state
from watchword.client.account import Account, ActsFor
from watchword.client.authorization import Begun, SignInWishes, Transaction, farewell, parse_answer
from watchword.client.errors import ClientError
from watchword.client.fork_safety import begin_anew_after_fork
from watchword.client.identity import Identity
from watchword.client.messages import Unreachable
from watchword.client.refresh_steps import renew
from watchword.client.second_step import SecondStep
from watchword.client.sign_in_steps import sign_in, sign_out
from watchword.client.source_memory import SourceMemory, store_trouble, token_of
from watchword.client.steps import Draw, Load, Look, Remember, Save, Send, Step, Steps, TryLock, Unlock, Wait, discover
from watchword.client.token_store import MemoryTokenStore, TokenStore
from watchword.client.transport import HttpTransport, Transport

T = TypeVar("T")


class TokenSource:
    """Hands out access tokens for one audience, and renews them before they expire.

    Any number of threads may share a source, and any number of processes a store: one of them renews, the others
    take what it brought. While a good token is at hand, nobody waits for anybody.

    Args:
        issuer: the authorization server, exactly as its metadata spells it.
        client_id: the client.
        client_secret: of a confidential client; None for a public one.
        acts_for: ``"user"`` after ``sign_in``, or ``"client"`` for the client itself (client credentials). By
            default ``"client"`` where there is a secret.
        scope: a space-separated string or several strings; all that the client may have if empty.
        resource: the API that the tokens are for (RFC 8707); one source for each.
        store: where tokens are kept; in memory if None. Sources of one sign-in share it.
        transport: the way to the issuer; ``HttpTransport(timeout=, tls=)`` if None.
        clock: seconds since the epoch.

    Raises:
        Misconfigured: an argument that cannot be right.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        client_secret: str | None = None,
        acts_for: ActsFor | None = None,
        scope: str | Iterable[str] = "",
        resource: str | None = None,
        store: TokenStore | None = None,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        account = Account.of(
            issuer, client_id, client_secret=client_secret, acts_for=acts_for, scope=scope, resource=resource
        )
        self._memory = SourceMemory(account)
        self._store = MemoryTokenStore() if store is None else store
        self._transport = HttpTransport() if transport is None else transport
        self._clock = clock
        self._turn = threading.Lock()
        begin_anew_after_fork(self._begin_anew)

    def __repr__(self) -> str:
        account = self._memory.account
        return f"TokenSource({account.issuer!r}, {account.client_id!r}, scope={str(account.scope)!r})"

    def token(self) -> str:
        """An access token that is good for a call now.

        Raises:
            SignInAgain: nobody is signed in, or the grant is over.
            TryLater: no token for now; ``retry_after`` says how many seconds to wait.
            Misconfigured: no token until somebody mends the set-up.
        """
        return self._memory.fresh(self._clock()) or self._renew(refused=None)

    def renew(self, refused: str) -> str:
        """Another token than ``refused``, which a resource server did not take.

        The same one comes back where a refusal forced its refresh a moment ago: then another would not help either.

        Raises:
            SignInAgain, TryLater, Misconfigured: as ``token``.
        """
        if self._memory.just_forced(refused, self._clock()):
            return refused
        return self._renew(refused=refused)

    def sign_in(
        self, username: str, password: str, *, scope: str | Iterable[str] | None = None, resources: Iterable[str] = ()
    ) -> None:
        """Sign a user in; name and password are kept nowhere. What was held before is handed back to the issuer.

        Args:
            username: the user's name.
            password: the user's password.
            scope: wider than the source's own, where other sources will share the sign-in.
            resources: further APIs, likewise.

        Raises:
            SecondStepNeeded: the password is right, and ``take_second_step`` goes on.
            SignInAgain: name or password are wrong (``reason`` is ``credentials``), or more is needed.
            TryLater, Misconfigured: as ``token``; who was signed in still is.
        """
        ask = self._memory.ask_sign_in(username, password, scope=scope, resources=resources)
        with self._turn:
            self._memory.hold(self._run(sign_in(ask)))

    def take_second_step(self, step: SecondStep, *, otp: str = "", recovery_code: str = "") -> None:
        """Go on with a sign-in that raised ``SecondStepNeeded``, by one of the two codes.

        Args:
            step: of the error.
            otp: the code that the user's authenticator app shows.
            recovery_code: one of those that he kept.

        Raises:
            SecondStepNeeded: the code is wrong (``reason`` is ``wrong_code``); its ``step`` takes another one.
            SignInAgain: it took too long, or was done already: ``sign_in`` anew.
            TryLater, Misconfigured: as ``token``; who was signed in still is.
        """
        ask = self._memory.ask_second_step(step, otp=otp, recovery_code=recovery_code)
        with self._turn:
            self._memory.hold(self._run(sign_in(ask)))

    def begin_sign_in(self, redirect_uri: str, **wishes: Unpack[SignInWishes]) -> Begun:
        """Begin a sign-in by browser: where to send it, and what to keep until it comes back (RFC 6749 §4.1).

        Args:
            redirect_uri: where the browser comes back to; registered for the client.
            wishes: ``scope``, ``resources``, ``login_hint``, ``max_age`` (seconds) and ``acr_values``, as
                ``SignInWishes`` says.

        Raises:
            TryLater, Misconfigured: as ``token``.
        """
        from watchword.client.browser_steps import begin  # noqa: PLC0415 (brings cryptography along)

        wish = self._memory.wish(**wishes)
        steps = begin(self._memory.account, wish, redirect_uri=redirect_uri, discovered=self._memory.discovered)
        return self._run(steps)

    def finish_sign_in(self, transaction: Transaction, answer: str) -> Identity | None:
        """Take the browser's answer and keep the tokens. What was held before is handed back to the issuer.

        Args:
            transaction: of ``begin_sign_in``; it is bound to the very browser, and used once.
            answer: the query with which the browser came back, or the form that it posted.

        Returns:
            Who signed in; None where ``openid`` was not asked for.

        Raises:
            SignInAgain: it is not the answer to this transaction, the user or the issuer said no, or the ID token is
                wrong; ``reason`` says which.
            TryLater, Misconfigured: as ``token``; who was signed in still is.
        """
        from watchword.client.browser_steps import Finish, finish  # noqa: PLC0415 (as above)

        account, discovered = self._memory.account, self._memory.discovered
        ask = Finish(account=account, transaction=transaction, answer=parse_answer(answer), discovered=discovered)
        with self._turn:
            held, identity = self._run(finish(ask))
            self._memory.hold(held)
        return identity

    def sign_in_by_browser(
        self,
        *,
        path: str = "/callback",
        open_browser: Callable[[str], object] | None = None,
        seconds: float = 300.0,
        **wishes: Unpack[SignInWishes],
    ) -> Identity | None:
        """Sign a user in by this machine's browser, which comes back to a port of loopback (RFC 8252 §7.3).

        The client is registered with ``http://127.0.0.1/callback`` (or your ``path``), which allows every port.

        Args:
            path: of the redirect URI.
            open_browser: opens the address; False from it means that it could not. ``webbrowser.open`` if None.
            seconds: how long the user may take.
            wishes: as for ``begin_sign_in``.

        Returns:
            Who signed in; None where ``openid`` was not asked for.

        Raises:
            SignInAgain: nobody came back in time (``abandoned``), or as ``finish_sign_in``.
            TryLater: as ``token``.
            Misconfigured: as ``token``, or no browser can be opened here (``no_browser``).
        """
        from watchword.client.loopback import Loopback  # noqa: PLC0415 (most programs need no sockets of their own)

        with Loopback(path) as loopback:
            begun = self.begin_sign_in(loopback.redirect_uri, **wishes)
            loopback.send_browser(begun.url, open_browser)
            answer = loopback.wait(seconds, state=begun.transaction.state)
            identity = self.finish_sign_in(begun.transaction, answer)
            loopback.succeed()
            return identity

    def sign_out(self) -> None:
        """Forget the tokens and end the grant at the issuer.

        Raises:
            TryLater, Misconfigured: nothing is held here any more, but the issuer could not be told, so the grant
                lives until its own end. (Where ``reason`` is ``locked`` or ``store``, it is held still.)
        """
        with self._turn:
            self._memory.hold(None)
            self._run(sign_out(self._memory.account, self._memory.discovered))

    def sign_out_url(self, id_token: str, *, return_to: str | None = None) -> str | None:
        """Where to send the user's browser after ``sign_out``, to sign out at the issuer too; None if it has no place.

        Args:
            id_token: of the ``Identity`` that signed in.
            return_to: where the browser goes afterwards; registered for the client.

        Raises:
            TryLater, Misconfigured: as ``token``.
        """
        account = self._memory.account
        metadata = self._run(discover(account, self._memory.discovered))
        endpoint = metadata.end_session_endpoint
        return None if endpoint is None else farewell(account, endpoint, id_token=id_token, return_to=return_to)

    def close(self) -> None:
        """Wait for a refresh under way, and forget what is held in memory; the store keeps its own."""
        with self._turn:
            self._memory.hold(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _renew(self, *, refused: str | None) -> str:
        good = self._memory.usable(self._clock(), refused=refused)
        if good is None:
            self._turn.acquire()
        elif not self._turn.acquire(blocking=False):
            # Whoever has a good token does not queue behind the one who renews it.
            return good
        try:
            fresh = self._memory.fresh(self._clock(), refused=refused)
            if fresh is not None:
                return fresh
            outcome = self._run(renew(self._memory.ask(refused)))
            self._memory.take(outcome, forced_at=None if refused is None else self._clock())
            return token_of(outcome)
        finally:
            self._turn.release()

    def _run(self, steps: Steps[T]) -> T:
        """Carry out the steps, and give the lock back however they end."""
        held: list[bool] = []
        try:
            step = next(steps)
            while True:
                try:
                    result = self._do(step, held)
                except OSError as error:
                    step = steps.throw(store_trouble(error))
                except ClientError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            if held:
                self._store.unlock()

    def _do(self, step: Step, held: list[bool]) -> Any:
        match step:
            case Look() | Draw() | Remember():
                return self._memory.answer(step, self._clock())
            case Load():
                return self._store.load()
            case Send(request):
                try:
                    return self._transport.send(request)
                except OSError as error:
                    return Unreachable(type(error).__name__)
            case Save(None):
                self._store.clear()
            case Save(state) if state is not None:
                self._store.save(token_state.encode(state))
            case TryLock():
                if self._store.try_lock():
                    held.append(True)
                return bool(held)
            case Unlock():
                held.clear()
                self._store.unlock()
            case Wait(seconds):
                time.sleep(seconds)
        return None

    def _begin_anew(self) -> None:
        self._turn = threading.Lock()
