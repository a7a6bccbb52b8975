"""Tokens for threads: ``TokenSource`` drives the runs of ``refresh_steps`` and ``sign_in_steps`` by blocking."""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from watchword.client import token_state
from watchword.client.account import Account, ActsFor
from watchword.client.errors import ClientError
from watchword.client.fork_safety import begin_anew_after_fork
from watchword.client.messages import Unreachable
from watchword.client.refresh_steps import renew
from watchword.client.sign_in_steps import sign_in, sign_out
from watchword.client.source_memory import SourceMemory, store_trouble, token_of
from watchword.client.steps import Draw, Load, Look, Remember, Save, Send, Step, Steps, TryLock, Unlock, Wait
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
            SignInAgain: name or password are wrong (``reason`` is ``credentials``), or more is needed.
            TryLater, Misconfigured: as ``token``; who was signed in still is.
        """
        ask = self._memory.ask_sign_in(username, password, scope=scope, resources=resources)
        with self._turn:
            self._memory.hold(self._run(sign_in(ask)))

    def sign_out(self) -> None:
        """Forget the tokens and end the grant at the issuer.

        Raises:
            TryLater, Misconfigured: nothing is held here any more, but the issuer could not be told, so the grant
                lives until its own end. (Where ``reason`` is ``locked`` or ``store``, it is held still.)
        """
        with self._turn:
            self._memory.hold(None)
            self._run(sign_out(self._memory.account, self._memory.discovered))

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
