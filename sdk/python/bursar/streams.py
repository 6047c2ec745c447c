"""Streams of providers' SDKs, passed on as they come while their usage is read."""

from __future__ import annotations

import logging
from typing import Any, AsyncIterator, Iterator

from .govern import AsyncGoverned, Governed, Underway
from .reading import Used, at

log = logging.getLogger("bursar")


class Reader:
    """Reads the events of one stream. With `asked` the usage was asked for here, and is taken
    out again."""

    def __init__(self, used: Used, asked: bool) -> None:
        self._used = used
        self._asked = asked
        self._begun = False  # what is known is of the beginning alone

    def passes(self, event: Any) -> bool:
        """Reads an event; whether the caller gets it."""
        try:
            return self._read(event)
        except Exception:
            log.exception("bursar: an event of a stream cannot be read")
            return True

    def is_last(self, event: Any) -> bool:
        """Whether all that may follow an event is the usage that was asked for here. Callers
        leave a stream at such an event."""
        choices = at(event, "choices") if self._asked else None
        return bool(choices) and all(at(c, "finish_reason") for c in choices)

    def _read(self, event: Any) -> bool:
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
        # What came before its turn, as the usage was looked for.
        self._early: Any = None
        self._failed: Exception | None = None

    def _turn(self) -> Any:
        """The event whose turn it is, if it came already."""
        if self._failed is not None:
            raise self._failed
        event, self._early = self._early, None
        return event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:  # left without another word
        self._call.leave()


class GovernedStream(_Stream):
    """A stream of an SDK for threads."""

    _call: Governed

    def __iter__(self) -> Iterator[Any]:
        return self

    def _read(self) -> Any:
        """The next event, or None if the caller does not get it."""
        event = next(self._inner)
        return event if self._reader.passes(event) else None

    def __next__(self) -> Any:
        try:
            event = self._turn()
            while event is None:
                event = self._read()
            if self._reader.is_last(event):
                try:
                    self._early = self._read()
                except Exception as e:
                    self._failed = e
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

    async def _read(self) -> Any:
        """The next event, or None if the caller does not get it."""
        event = await self._inner.__anext__()
        return event if self._reader.passes(event) else None

    async def __anext__(self) -> Any:
        try:
            event = self._turn()
            while event is None:
                event = await self._read()
            if self._reader.is_last(event):
                try:
                    self._early = await self._read()
                except Exception as e:
                    self._failed = e
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
