"""Clients of a Bursar server."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import ssl
import threading
import time
from typing import Any, Callable, Concatenate, Coroutine, Literal, Mapping, ParamSpec, TypeVar

from . import calls
from .books import Books
from .connections import Connections
from .errors import BudgetDenied, BursarError, Unavailable
from .forks import begins_anew
from .govern import AsyncGoverned, Expected, Governed, allows, govern
from .wire import Call, Tries
from .wrapping import C, Dimensions, wrap

try:
    import httpx
except ImportError:
    httpx = None  # type: ignore[assignment]

T = TypeVar("T")
P = ParamSpec("P")

log = logging.getLogger("bursar")

MEANING = "https://github.com/bursarhq/bursar/blob/main/docs/rules.md#warnings"


class Said:
    """Tells each warning once."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell or log.warning
        self._told: set[str] = set()
        self.forked()
        begins_anew(self)

    def forked(self) -> None:
        self._lock = threading.RLock()  # streams that are collected speak from anywhere

    def say(self, text: str) -> None:
        with self._lock:
            if text in self._told or len(self._told) >= 10_000:
                return
            self._told.add(text)
        try:
            self._tell(text)
        except Exception:
            log.exception("bursar: on_warning failed")

    def reply(self, call: Call[Any], reply: Any) -> None:
        """Tells what a reply warns of."""
        for one in reply if isinstance(reply, list) else [reply]:
            if isinstance(one, Mapping):
                for w in one.get("warnings") or ():
                    self.say(f"{w} (told of {call.method} {call.path.rsplit('/', 1)[-1]}; what it means: {MEANING})")


def _sync(build: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(build)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(build(*args, **kwargs))

    return _of_object(method, build)


def _async(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    @functools.wraps(build)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(build(*args, **kwargs))

    return _of_object(method, build)


def _governed(build: Callable[P, Expected]) -> Callable[Concatenate[Client, P], Governed]:
    @functools.wraps(build)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Governed:
        return Governed(self, build(*args, **kwargs))

    return _of_object(method, build)


def _governed_async(build: Callable[P, Expected]) -> Callable[Concatenate[AsyncClient, P], AsyncGoverned]:
    @functools.wraps(build)
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGoverned:
        return AsyncGoverned(self, build(*args, **kwargs))

    return _of_object(method, build)


M = TypeVar("M", bound=Callable[..., Any])


def _of_object(method: M, build: Callable[..., Any]) -> M:
    """Has help() show the parameters of build, behind self."""
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(build)
    parameters = [own, *signature.parameters.values()]
    method.__signature__ = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    return method


class Client:
    """A client of one server, by one key. Threads may share it: it keeps connections open.

    `timeout` is in seconds, for a call with all its attempts, of which one has up to 5. A call
    that failed for a moment (408, 429, 502, 503, 504, the network) is sent again up to `retries`
    times; it counts once. Proxies that the environment names are not used.
    `on_warning` gets each warning once; without it they go to the logger "bursar".

    Where Bursar cannot be asked, `unavailable` says whether governed calls are denied (they
    raise Unavailable) or go on, and are reported later. Up to `max_pending` ends of calls wait
    while the server is away; with `store`, a folder, they also outlive the process: the next
    one that has the folder sends them.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float = 15.0,
        retries: int = 4,
        on_warning: Callable[[str], None] | None = None,
        unavailable: Literal["deny", "allow"] = "deny",
        max_pending: int = 10_000,
        store: str | os.PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        allows(unavailable)
        self.timeout = timeout
        self.retries = retries
        self.unavailable: str = unavailable
        self._key = api_key
        self._connections = Connections(base_url, ssl_context)
        self.said = Said(on_warning)
        self.books = Books(functools.partial(self.send, retries=0), base_url.rstrip("/"), max_pending, store)

    check = _sync(calls.check)
    checks = _sync(calls.checks)
    reserve = _sync(calls.reserve)
    reservation = _sync(calls.reservation)
    reservations = _sync(calls.reservations)
    commit = _sync(calls.commit)
    extend = _sync(calls.extend)
    release = _sync(calls.release)
    consume = _sync(calls.consume)
    events = _sync(calls.events)
    usage = _sync(calls.usage)
    estimate = _sync(calls.estimate)
    estimate_usage = _sync(calls.estimate_usage)
    explain = _sync(calls.explain)
    request_boost = _sync(calls.request_boost)
    boost_request = _sync(calls.boost_request)
    boost_requests = _sync(calls.boost_requests)
    forecast = _sync(calls.forecast)
    denials = _sync(calls.denials)
    history = _sync(calls.history)

    govern = _governed(govern)

    def governed(self, sdk: C, customer_id: str, *, dimensions: Dimensions = {}, **options: Any) -> C:
        """A client of OpenAI's or Anthropic's SDK like the given one, of which each call is governed.

            openai = bursar.governed(OpenAI(), "acme", dimensions={"agentId": "agent-7"})

        Chat, responses, embeddings and messages are, with their streams and helpers; the others
        warn that they are not. `dimensions` may be a function, which is asked at each call.
        Options are those of govern; what a request says, as its model and its largest output,
        comes before them.
        """
        return wrap(self, sdk, customer_id, dimensions, options)

    def send(self, call: Call[T], *, retries: int | None = None, timeout: float | None = None) -> T:
        """Sends a call until it succeeds, fails for good or has no attempts left."""
        tries = Tries(self.retries if retries is None else retries, timeout or self.timeout)
        while True:
            try:
                reply = self.attempt(call, tries.attempt())
            except BursarError as e:
                if isinstance(e, BudgetDenied):
                    self.said.reply(call, e.problem)
                time.sleep(tries.wait(e))
            else:
                self.said.reply(call, reply)
                return reply

    def attempt(self, call: Call[T], timeout: float) -> T:
        return self._connections.exchange(call, self._key, timeout)

    def flush(self, timeout: float = 10.0) -> int:
        """Waits until all ends of calls are recorded; how many are not after so many seconds."""
        return self.books.flush(timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Records what waits, and closes the connections."""
        self.books.close(timeout)
        self._connections.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio: over httpx where that is installed, else by threads.

    Its options are those of Client, and `http`, an httpx.AsyncClient of your own, which you
    close. What waits while the server is away is sent over a connection like Client's.
    """

    def __init__(self, base_url: str, api_key: str, *, http: Any = None, **options: Any) -> None:
        self._sync = Client(base_url, api_key, **options)  # for what waits, and without httpx
        self._base = base_url.rstrip("/")
        self._key = api_key
        self._http = http
        if http is None and httpx is not None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
            self._http = httpx.AsyncClient(limits=limits, verify=options.get("ssl_context") or True, trust_env=False)
        self._own = http is None
        self.unavailable = self._sync.unavailable
        self.said = self._sync.said
        self.books = self._sync.books

    check = _async(calls.check)
    checks = _async(calls.checks)
    reserve = _async(calls.reserve)
    reservation = _async(calls.reservation)
    reservations = _async(calls.reservations)
    commit = _async(calls.commit)
    extend = _async(calls.extend)
    release = _async(calls.release)
    consume = _async(calls.consume)
    events = _async(calls.events)
    usage = _async(calls.usage)
    estimate = _async(calls.estimate)
    estimate_usage = _async(calls.estimate_usage)
    explain = _async(calls.explain)
    request_boost = _async(calls.request_boost)
    boost_request = _async(calls.boost_request)
    boost_requests = _async(calls.boost_requests)
    forecast = _async(calls.forecast)
    denials = _async(calls.denials)
    history = _async(calls.history)

    govern = _governed_async(govern)

    def governed(self, sdk: C, customer_id: str, *, dimensions: Dimensions = {}, **options: Any) -> C:
        """As Client.governed, for the SDKs' clients for asyncio."""
        return wrap(self, sdk, customer_id, dimensions, options)

    async def send(self, call: Call[T], *, retries: int | None = None, timeout: float | None = None) -> T:
        """Sends a call until it succeeds, fails for good or has no attempts left."""
        tries = Tries(self._sync.retries if retries is None else retries, timeout or self._sync.timeout)
        while True:
            try:
                reply = await self._attempt(call, tries.attempt())
            except BursarError as e:
                if isinstance(e, BudgetDenied):
                    self.said.reply(call, e.problem)
                await asyncio.sleep(tries.wait(e))
            else:
                self.said.reply(call, reply)
                return reply

    async def _attempt(self, call: Call[T], timeout: float) -> T:
        if self._http is None:
            return await asyncio.to_thread(lambda: self._sync.attempt(call, timeout))
        request = self._http.request(
            call.method, self._base + call.target, content=call.content(), headers=call.headers(self._key), timeout=timeout
        )
        try:
            reply = await asyncio.wait_for(request, timeout)
        except asyncio.TimeoutError as e:
            raise Unavailable(f"Bursar does not answer within {timeout:.1f} s") from e
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as e:
            raise Unavailable(f"Bursar cannot be reached: {e!r}", sent=False) from e
        except httpx.HTTPError as e:
            raise Unavailable(f"Bursar cannot be asked: {e!r}") from e
        return call.read(reply.status_code, reply.headers, reply.content)

    async def flush(self, timeout: float = 10.0) -> int:
        """Waits until all ends of calls are recorded; how many are not after so many seconds."""
        return await asyncio.to_thread(self.books.flush, timeout)

    async def close(self, timeout: float = 2.0) -> None:
        """Records what waits, and closes the connections."""
        await asyncio.to_thread(self._sync.close, timeout)
        if self._own and self._http is not None:
            await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
