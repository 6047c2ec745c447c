"""Streams of providers' SDKs, passed on as they come while their usage is read."""

from __future__ import annotations

from typing import Any, AsyncIterator, Iterator

from .govern import AsyncGoverned, Governed, Underway
from .reading import Used, at


class Reader:
    """Reads the events of one stream. With `asked` the usage was asked for here, and is taken
    out again."""

    def __init__(self, used: Used, asked: bool) -> None:
        self._used = used
        self._asked = asked
        self._begun = False  # what is known is of the beginning alone

    def passes(self, event: Any) -> bool:
        """Reads an event; whether the caller gets it."""
        kind = at(event, "type")
        if isinstance(kind, str):
            self._typed(kind, event)
            return True
        choices = at(event, "choices")
        for choice in choices or ():
            self._used.text += _texts(at(choice, "delta")) + _len(at(choice, "text"))
        told = self._used.take(event)
        if told and not choices:
            self._used.final = True
        if self._asked and told:
            if not choices:
                return False
            event.pop("usage") if isinstance(event, dict) else setattr(event, "usage", None)
        return True

    def _typed(self, kind: str, event: Any) -> None:
        """An event of Anthropic's, or of the Responses API."""
        message, response = at(event, "message"), at(event, "response")
        if kind == "message_start":
            self._begun = self._used.take(message)
        elif kind == "message_delta":
            self._used.final = self._used.take(event)
        elif response is not None:
            self._used.final = self._used.take(response) or self._used.final
        else:
            delta = at(event, "delta")
            self._used.text += _len(delta) or _texts(delta)

    def whole(self) -> None:
        """The stream ended as streams should: what it told last is the whole."""
        self._used.final = self._used.final or self._used.usage is not None and not self._begun


def _len(v: Any) -> int:
    return len(v) if isinstance(v, str) else 0


def _texts(delta: Any) -> int:
    """The characters that a piece of a reply has."""
    if delta is None:
        return 0
    n = sum(_len(at(delta, name)) for name in ("content", "reasoning_content", "refusal", "text", "partial_json", "thinking"))
    for tool in at(delta, "tool_calls") or ():
        n += _len(at(at(tool, "function"), "arguments"))
    return n


class _Stream:
    def __init__(self, inner: Any, call: Underway, reader: Reader) -> None:
        self._inner = inner
        self._call = call
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:  # left without another word
        self._call.leave()


class GovernedStream(_Stream):
    """A stream of an SDK for threads."""

    _call: Governed

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            while True:
                event = next(self._inner)
                if self._reader.passes(event):
                    return event
        except StopIteration:
            self._reader.whole()
            self._call.finish()
            raise
        except BaseException:
            self._call.finish()
            raise

    def close(self) -> None:
        self._inner.close()
        self._call.finish()

    def __enter__(self) -> GovernedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncGovernedStream(_Stream):
    """A stream of an SDK for asyncio."""

    _call: AsyncGoverned

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            while True:
                event = await self._inner.__anext__()
                if self._reader.passes(event):
                    return event
        except StopAsyncIteration:
            self._reader.whole()
            await self._call.finish()
            raise
        except BaseException:
            await self._call.finish()
            raise

    async def close(self) -> None:
        await self._inner.close()
        await self._call.finish()

    aclose = close

    async def __aenter__(self) -> AsyncGovernedStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
