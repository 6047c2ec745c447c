"""Clients of providers' SDKs, by OpenAI and by Anthropic, of which each call is governed.

Nothing of the SDKs is imported: a client is known by what it has.
"""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, TypeVar, Union

from .govern import AsyncGoverned, Expected, Governed, Underway, govern
from .reading import at
from .streams import AsyncGovernedStream, GovernedStream, Reader

if TYPE_CHECKING:
    from .client import AsyncClient, Client

C = TypeVar("C")
Dimensions = Union[Mapping[str, Any], Callable[[], Mapping[str, Any]]]

# What is governed of each SDK, and what costs and is not.
_GOVERNED = {
    "openai": {
        "chat.completions": ("create", "parse", "stream"),
        "beta.chat.completions": ("create", "parse", "stream"),
        "completions": ("create",),
        "responses": ("create", "parse", "stream"),
        "embeddings": ("create",),
    },
    "anthropic": {
        "messages": ("create", "parse", "stream"),
        "beta.messages": ("create", "parse", "stream"),
        "completions": ("create",),
    },
}
_NOT_GOVERNED = {
    "openai": ("images", "audio", "videos", "batches", "fine_tuning", "realtime", "evals", "beta.threads", "beta.realtime", "responses.compact"),
    "anthropic": ("messages.batches", "beta.messages.batches"),
}
_SETTINGS = {"extra_headers", "extra_query", "timeout", "stream_options", "metadata"}  # are no input
_MOST = 999_999_999

# Whether a helper of the SDK's makes the call for a caller who is governed already.
_inside: ContextVar[bool] = ContextVar("bursar_inside", default=False)


@dataclass(frozen=True)
class Wrap:
    """How the calls of one client are governed."""

    client: Client | AsyncClient
    kind: str  # of the SDK
    customer_id: str
    dimensions: Dimensions
    options: Mapping[str, Any]

    @property
    def is_async(self) -> bool:
        return hasattr(self.client, "__aenter__")

    def call(self, path: str, asked: Mapping[str, Any]) -> Any:
        """The call that a request is, to be governed."""
        dims = self.dimensions() if callable(self.dimensions) else self.dimensions
        model = at(asked, "model")
        options: Any = {
            **self.options,
            "dimensions": {"provider": self.kind, **dims},
            "model": model if isinstance(model, str) else None,
            "max_tokens": 0 if path == "embeddings" else self._output(path, asked),
            "input": {k: v for k, v in asked.items() if k not in _SETTINGS and not isinstance(v, (int, float))},
        }
        expected = govern(self.customer_id, **options)
        return AsyncGoverned(self.client, expected) if self.is_async else Governed(self.client, expected)  # type: ignore[arg-type]

    def _output(self, path: str, asked: Mapping[str, Any]) -> int:
        def count(*names: str) -> int:
            return max([0, *(v for v in (asked.get(n) for n in names) if isinstance(v, int))])

        times = max(count("n", "best_of"), 1)
        prompts = asked.get("prompt")
        if path == "completions" and isinstance(prompts, (list, tuple)) and not (prompts and isinstance(prompts[0], int)):
            times *= max(len(prompts), 1)
        most: int = count("max_completion_tokens", "max_output_tokens", "max_tokens") or self.options.get("max_tokens", 4096)
        return min(most * times, _MOST)


def wrap(
    client: Client | AsyncClient,
    sdk: C,
    customer_id: str,
    dimensions: Dimensions,
    options: Mapping[str, Any],
) -> C:
    kind = "openai" if hasattr(sdk, "chat") else "anthropic" if hasattr(sdk, "messages") else None
    copy: Any = getattr(sdk, "with_options", None)
    if kind is None or copy is None:
        raise TypeError(f"bursar: {type(sdk).__name__} is no client of OpenAI's or Anthropic's SDK; see govern() for all others")
    how = Wrap(client, kind, customer_id, dimensions, options)
    for name in ("call_id", "idempotency_key"):
        if options.get(name) is not None:
            raise ValueError(f"bursar: {name} is of one call, and a client makes many")
    govern(customer_id, **options)  # what is wrong with the options is said now
    out: C = _wrapped(how, copy())
    return out


def _wrapped(how: Wrap, sdk: Any) -> Any:
    for path, names in _GOVERNED[how.kind].items():
        resource = _at(sdk, path)
        for name in names if resource is not None else ():
            original = getattr(resource, name, None)
            if original is None:
                continue
            is_async = inspect.iscoroutinefunction(inspect.unwrap(original))
            if name == "create" and is_async != how.is_async:
                raise TypeError("bursar: a client of an SDK for asyncio is for AsyncClient, and one for threads for Client")
            governed = _helper(how, path, original) if name == "stream" else _method(how, path, original)
            setattr(resource, name, governed)
            if getattr(_at(sdk, path), name) is not governed:  # it is made anew each time
                if not path.startswith("beta."):
                    raise TypeError(f"bursar: {path}.{name} of this {type(sdk).__name__} cannot be governed")
                how.client.said.say(f"{path}.{name} of this {type(sdk).__name__} cannot be governed: do not use it")
    for path in _NOT_GOVERNED[how.kind]:
        parent, _, name = path.rpartition(".")
        owner = _at(sdk, parent)
        if owner is not None and hasattr(owner, name):
            try:
                setattr(owner, name, _NotGoverned(how, path, getattr(owner, name)))
            except AttributeError:  # it is made anew each time
                how.client.said.say(f"{path} of this {type(sdk).__name__} is not governed")
    for name in ("with_options", "copy"):
        original = getattr(sdk, name, None)
        if original is not None:
            setattr(sdk, name, _copies(how, original))
    return sdk


def _at(v: Any, path: str) -> Any:
    for name in path.split(".") if path else ():
        v = getattr(v, name, None)
    return v


def _copies(how: Wrap, original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: _wrapped(how, original(*args, **kwargs))


class _NotGoverned:
    """Part of an SDK that costs what no budget sees."""

    def __init__(self, how: Wrap, path: str, inner: Any) -> None:
        self._how, self._path, self._inner = how, path, inner

    def _say(self) -> None:
        self._how.client.said.say(f"{self._path} of a governed client is not governed: govern() does that, or the gateway")

    def __getattr__(self, name: str) -> Any:
        self._say()
        return getattr(self._inner, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._say()
        return self._inner(*args, **kwargs)


def _has_usage(how: Wrap, path: str, original: Callable[..., Any]) -> bool:
    """Whether the usage of a stream can be asked for."""
    if how.kind != "openai" or not path.endswith("completions"):
        return False
    takes = inspect.signature(original).parameters
    return "stream_options" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values())


def _prepared(kwargs: Mapping[str, Any], ask: bool) -> tuple[dict[str, Any], bool]:
    """What is sent, and whether the usage of the stream was asked for here. One who says that he
    wants none is left with that: there are providers that refuse to be asked."""
    given = {k: v for k, v in kwargs.items() if type(v).__name__ not in ("NotGiven", "Omit")}
    for k, v in given.items():
        if isinstance(v, Iterator):  # that would be used up by its counting
            given[k] = list(v)
    options = given.get("stream_options") or {}
    if not ask or "include_usage" in options:
        return given, False
    given["stream_options"] = {**options, "include_usage": True}
    return given, True


def _raw(kwargs: Mapping[str, Any]) -> str:
    """How with_raw_response and with_streaming_response say that the reply is not to be read."""
    headers = {str(k).lower(): v for k, v in (kwargs.get("extra_headers") or {}).items()}
    return str(headers.get("x-stainless-raw-response", ""))


def _method(how: Wrap, path: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """create or parse, which answers with a reply or, if it is asked to, a stream."""

    has_usage = _has_usage(how, path, original)

    def begin(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], bool, bool, Any]:
        stream = bool(kwargs.get("stream")) and not _raw(kwargs)
        given, asked = _prepared(kwargs, stream and has_usage)
        return given, asked, stream, how.call(path, given)

    def create(*args: Any, **kwargs: Any) -> Any:
        if _inside.get():
            return original(*args, **kwargs)
        given, asked, stream, call = begin(kwargs)
        call.__enter__()
        try:
            reply = original(*args, **given)
        except BaseException as e:
            call.finish(e)
            raise
        if stream:
            return GovernedStream(reply, call, Reader(call.reading, asked))
        try:
            call.told(reply.parse() if _raw(given) == "true" and not given.get("stream") else reply)
        except Exception as e:  # the caller meets it when he parses
            call.told_by(e)
        finally:
            call.finish()
        return reply

    async def acreate(*args: Any, **kwargs: Any) -> Any:
        if _inside.get():
            return await original(*args, **kwargs)
        given, asked, stream, call = begin(kwargs)
        await call.__aenter__()
        try:
            reply = await original(*args, **given)
        except BaseException as e:
            await call.finish(e)
            raise
        if stream:
            return AsyncGovernedStream(reply, call, Reader(call.reading, asked))
        try:
            said = reply.parse() if _raw(given) == "true" and not given.get("stream") else reply
            call.told(await said if inspect.isawaitable(said) else said)
        except Exception as e:
            call.told_by(e)
        finally:
            await call.finish()
        return reply

    return acreate if how.is_async else create


def _helper(how: Wrap, path: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """stream, which answers with a context of a stream that is put together."""

    has_usage = _has_usage(how, path, original)

    def stream(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("response_id"):  # of a response that was made, and recorded, before
            return original(*args, **kwargs)
        given, asked = _prepared(kwargs, has_usage)
        call = how.call(path, given)
        made = lambda: original(*args, **given)  # noqa: E731
        return _AsyncContext(call, asked, made) if how.is_async else _Context(call, asked, made)

    return stream


class _Context:
    def __init__(self, call: Any, asked: bool, make: Callable[[], Any]) -> None:
        self._call, self._asked, self._make = call, asked, make
        self._inner: Any = None

    def _watch(self, stream: Any, kind: Callable[[Any, Underway, Reader], Any]) -> None:
        raw = getattr(stream, "_raw_stream", None)
        if raw is not None:  # else its usage is not known
            stream._raw_stream = kind(raw, self._call, Reader(self._call.reading, self._asked))

    def __enter__(self) -> Any:
        self._call.__enter__()
        before = _inside.set(True)
        try:
            self._inner = self._make()
            stream = self._inner.__enter__()
        except BaseException as e:
            self._call.finish(e)
            raise
        finally:
            _inside.reset(before)
        self._watch(stream, GovernedStream)
        return stream

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        try:
            return self._inner.__exit__(kind, error, trace)
        finally:
            self._call.finish()


class _AsyncContext(_Context):
    async def __aenter__(self) -> Any:
        await self._call.__aenter__()
        before = _inside.set(True)
        try:
            self._inner = self._make()
            stream = await self._inner.__aenter__()
        except BaseException as e:
            await self._call.finish(e)
            raise
        finally:
            _inside.reset(before)
        self._watch(stream, AsyncGovernedStream)
        return stream

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> Any:
        try:
            return await self._inner.__aexit__(kind, error, trace)
        finally:
            await self._call.finish()
