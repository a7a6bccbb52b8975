"""Tokens for tasks: ``AsyncTokenSource`` drives the same runs as ``TokenSource``, on asyncio.

A run is a task of its own, and callers wait for it behind a shield: a caller that is cancelled leaves, and the run
goes on to save what the server gave.
"""

import asyncio
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from watchword.client import token_state
from watchword.client.account import Account, ActsFor
from watchword.client.errors import ClientError
from watchword.client.fork_safety import begin_anew_after_fork
from watchword.client.messages import Unreachable
from watchword.client.refresh_steps import Outcome, renew
from watchword.client.sign_in_steps import SignIn, sign_in, sign_out
from watchword.client.source_memory import SourceMemory, store_trouble, token_of
from watchword.client.steps import Draw, Load, Look, Remember, Save, Send, Step, Steps, TryLock, Unlock, Wait
from watchword.client.token_store import MemoryTokenStore, TokenStore
from watchword.client.transport import AsyncHttpTransport, AsyncTransport

T = TypeVar("T")


class AsyncTokenSource:
    """Hands out access tokens for one audience, and renews them before they expire.

    Any number of tasks may share a source, also in several event loops, and any number of processes a store: one of
    them renews, the others take what it brought. While a good token is at hand, nobody waits for anybody.

    Args:
        issuer: the authorization server, exactly as its metadata spells it.
        client_id: the client.
        client_secret: of a confidential client; None for a public one.
        acts_for: ``"user"`` after ``sign_in``, or ``"client"`` for the client itself (client credentials). By
            default ``"client"`` where there is a secret.
        scope: a space-separated string or several strings; all that the client may have if empty.
        resource: the API that the tokens are for (RFC 8707); one source for each.
        store: where tokens are kept; in memory if None. Sources of one sign-in share it.
        transport: the way to the issuer; ``AsyncHttpTransport(timeout=, tls=)`` if None.
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
        transport: AsyncTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        account = Account.of(
            issuer, client_id, client_secret=client_secret, acts_for=acts_for, scope=scope, resource=resource
        )
        self._memory = SourceMemory(account)
        self._store = MemoryTokenStore() if store is None else store
        self._transport = AsyncHttpTransport() if transport is None else transport
        self._clock = clock
        self._begin_anew()
        begin_anew_after_fork(self._begin_anew)

    def __repr__(self) -> str:
        account = self._memory.account
        return f"AsyncTokenSource({account.issuer!r}, {account.client_id!r}, scope={str(account.scope)!r})"

    async def token(self) -> str:
        """An access token that is good for a call now.

        Raises:
            SignInAgain: nobody is signed in, or the grant is over.
            TryLater: no token for now; ``retry_after`` says how many seconds to wait.
            Misconfigured: no token until somebody mends the set-up.
        """
        return self._memory.fresh(self._clock()) or await self._renew(refused=None)

    async def renew(self, refused: str) -> str:
        """Another token than ``refused``, which a resource server did not take.

        The same one comes back where a refusal forced its refresh a moment ago: then another would not help either.

        Raises:
            SignInAgain, TryLater, Misconfigured: as ``token``.
        """
        if self._memory.just_forced(refused, self._clock()):
            return refused
        return await self._renew(refused=refused)

    async def sign_in(
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
        await asyncio.shield(self._start(self._sign_in(ask)))

    async def sign_out(self) -> None:
        """Forget the tokens and end the grant at the issuer.

        Raises:
            TryLater, Misconfigured: nothing is held here any more, but the issuer could not be told, so the grant
                lives until its own end. (Where ``reason`` is ``locked`` or ``store``, it is held still.)
        """
        await asyncio.shield(self._start(self._sign_out()))

    async def aclose(self) -> None:
        """Wait for what this event loop has under way, and forget what is held in memory; the store keeps its own."""
        while under_way := self._tasks.get(asyncio.get_running_loop()):
            await asyncio.wait(set(under_way))
        self._memory.hold(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _renew(self, *, refused: str | None) -> str:
        loop = asyncio.get_running_loop()
        while True:
            now = self._clock()
            fresh = self._memory.fresh(now, refused=refused)
            if fresh is not None:
                return fresh
            flight = self._flights.get(loop)
            if flight is None:
                flight = self._flights[loop] = self._start(self._fly(refused))
                return token_of(await asyncio.shield(flight))
            good = self._memory.usable(now, refused=refused)
            if good is not None:  # whoever has a good token does not wait for the one who renews it
                return good
            token = token_of(await asyncio.shield(flight))
            # A flight that set out before the refusal may have brought just that token from the store.
            if token != refused:
                return token

    async def _fly(self, refused: str | None) -> Outcome:
        try:
            outcome = await self._run(renew(self._memory.ask(refused)))
            self._memory.take(outcome, forced_at=None if refused is None else self._clock())
            return outcome
        finally:
            self._flights.pop(asyncio.get_running_loop(), None)

    async def _sign_in(self, ask: SignIn) -> None:
        self._memory.hold(await self._run(sign_in(ask)))

    async def _sign_out(self) -> None:
        self._memory.hold(None)
        try:
            await self._run(sign_out(self._memory.account, self._memory.discovered))
        finally:
            self._memory.hold(None)  # a refresh that was under way may have brought some

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that goes on when its caller is cancelled; kept alive here, and its error never cried about twice."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        tasks = self._tasks.setdefault(loop, set())
        tasks.add(task)

        def over(_: asyncio.Task[T]) -> None:
            tasks.discard(task)
            if not task.cancelled():
                task.exception()

        task.add_done_callback(over)
        return task

    async def _run(self, steps: Steps[T]) -> T:
        """Carry out the steps, and give the lock back however they end."""
        held: list[bool] = []
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._do(step, held)
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

    async def _do(self, step: Step, held: list[bool]) -> Any:
        match step:
            case Look() | Draw() | Remember():
                return self._memory.answer(step, self._clock())
            case Load():
                return await _in_thread(self._store.load)
            case Send(request):
                try:
                    return await self._transport.send(request)
                except OSError as error:
                    return Unreachable(type(error).__name__)
            case Save(None):
                await _in_thread(self._store.clear)
            case Save(state) if state is not None:
                text = token_state.encode(state)
                await _in_thread(lambda: self._store.save(text))
            case TryLock():
                # Not in a thread: one that is abandoned there would hold the lock for ever. It never waits.
                if self._store.try_lock():
                    held.append(True)
                return bool(held)
            case Unlock():
                held.clear()
                self._store.unlock()
            case Wait(seconds):
                await asyncio.sleep(seconds)
        return None

    def _begin_anew(self) -> None:
        self._flights: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Outcome]] = (
            weakref.WeakKeyDictionary()
        )
        self._tasks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[Any]]] = (
            weakref.WeakKeyDictionary()
        )


async def _in_thread(work: Callable[[], T]) -> T:
    """Run slow work of the store in a thread, and see it through: the lock is not given back while it writes."""
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
