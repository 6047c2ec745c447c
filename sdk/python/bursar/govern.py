"""One call of a model within its budgets: held before it, recorded after it."""

from __future__ import annotations

import logging
import os
import socket
import urllib.error
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Generator, Literal, Mapping, Tuple, TypeVar

from . import calls
from .books import refused
from .errors import BursarError, Unavailable
from .reading import Used, characters
from .wire import Call

if TYPE_CHECKING:
    from .client import AsyncClient, Client
    from .types import Degrade, Reservation

T = TypeVar("T")
Step = Tuple["Call[Any]", "float | None"]  # a call, and for how long it may be waited
Flow = Generator[Step, Any, T]

log = logging.getLogger("bursar")

END_SECONDS = 2.0  # that a caller waits for the end of a call to be recorded
MAX_ATTEMPTS = 20  # of one idempotency key
WIND_DOWN, STOP = 0.80, 0.95  # of the tightest limit, used and held

# Errors of libraries for HTTP that come before anything is sent.
_BEFORE = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "NewConnectionError", "ConnectTimeoutError",
           "ClientConnectorError", "ClientConnectorDNSError"}  # fmt: skip
# Modules of SDKs. Other parts of google are for what is no model, such as its storage.
_PROVIDERS = ("openai.", "anthropic.", "groq.", "mistralai.", "cohere.", "together.", "cerebras.", "fireworks.", "litellm.",
              "google.genai.", "vertexai.")  # fmt: skip
_BUSY = (429, 503, 529)


def refusal(error: BaseException | None) -> bool:
    """Whether an error is an SDK's that says that its provider refused the call, or was not
    reached. Any other error may come of something else in the block, after the call."""
    return error is not None and f"{type(error).__module__}.".startswith(_PROVIDERS) and used_nothing(error)


def used_nothing(error: BaseException | None) -> bool:
    """Whether a call that failed so was refused by the provider, or was not sent at all."""
    while error is not None and not isinstance(error, BursarError):
        status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, urllib.error.HTTPError):
            status = error.code
        if _retried(error) and status not in _BUSY:
            return False
        if isinstance(error, (ConnectionRefusedError, socket.gaierror)) or type(error).__name__ in _BEFORE:
            return True
        if isinstance(status, int) and status >= 400:
            return True
        reason = getattr(error, "reason", None)  # of a URLError
        error = reason if isinstance(reason, OSError) else error.__cause__
    return False


def _retried(error: BaseException) -> bool:
    """Whether an SDK had tried before: the provider may have answered, and billed, that attempt."""
    try:
        request = getattr(error, "request", None) or error.response.request  # type: ignore[attr-defined]
        return int(request.headers["x-stainless-retry-count"]) > 0
    except Exception:  # it says nothing of it
        return False


@dataclass(frozen=True)
class Expected:
    """A call that is to be governed."""

    customer_id: str
    hold: Mapping[str, Any]  # options of reserve
    unavailable: str | None = None  # None: as the client says
    broken: str = "received"


def govern(
    customer_id: str,
    *,
    event_name: str = "llm",
    dimensions: Mapping[str, Any] | None = None,
    model: str | None = None,
    max_tokens: int = 4096,
    hold: str | None = None,
    input: Any = None,
    input_tokens: int | None = None,
    input_characters: int | None = None,
    properties: Mapping[str, Any] | None = None,
    ttl_seconds: int | None = None,
    on_expire: Literal["settle", "release"] = "settle",
    strict: bool | None = None,
    call_id: str | None = None,
    idempotency_key: str | None = None,
    unavailable: Literal["deny", "allow"] | None = None,
    broken: Literal["received", "held"] = "received",
) -> Expected:
    """One call of a model, held before it and recorded after it:

        with bursar.govern("acme", dimensions={"agentId": "agent-7"}, model="gpt-5",
                           max_tokens=4000, input=messages) as call:
            reply = openai.chat.completions.create(...)
            call.used(reply)

    or `reply = bursar.govern(...).run(openai.chat.completions.create, ...)`; with AsyncClient,
    `async with` and `await`. It raises BudgetDenied before the call.

    Options are those of reserve. `input` is anything of which the characters are counted, such
    as the messages; `model` is the dimension of that name. With `hold`, "p50" to "p99", so much
    output is held as so many of 100 of the last calls had, and at most `max_tokens`.
    `unavailable` is the client's, unless it is given here. `broken` is what is recorded of a
    stream that broke off, or was left, before the provider said what it used: what came, 3
    characters for a token, or all that was held; what a model thought unseen is in the latter.
    """
    if broken not in ("received", "held"):
        raise ValueError(f'bursar: broken is "received" or "held", not {broken!r}')
    if input is not None and input_tokens is None and input_characters is None:
        input_characters = max(characters(input), 1)
    if model is not None:
        dimensions = {**(dimensions or {}), "model": model}
    given = dict(locals())
    for name in ("customer_id", "input", "model", "unavailable", "broken"):
        del given[name]
    return Expected(customer_id, given, unavailable, broken)


def allows(unavailable: str) -> bool:
    if unavailable not in ("deny", "allow"):
        raise ValueError(f'bursar: unavailable is "deny" or "allow", not {unavailable!r}')
    return unavailable == "allow"


class Underway:
    """What is the same whether a caller waits or awaits.

    Its steps are generators that yield the calls to make: each client sends them in its way.
    """

    def __init__(self, client: Client | AsyncClient, expected: Expected) -> None:
        self._books = client.books
        self._said = client.said
        self.customer_id = expected.customer_id
        self._expected: Mapping[str, Any] = expected.hold
        self._given: str = self._expected.get("idempotency_key") or calls.new_key()
        self._key = self._given
        self._other = calls.new_key()  # of its event, where what it held was ended by another
        self._allow = allows(expected.unavailable or client.unavailable)
        self.reading = Used()
        self._reached = False  # the server may have been asked
        self._broken = expected.broken
        self._begun = self._ended = self._released = False
        self._placed = False  # there is room for its end
        self._process = 0  # that began it
        #: What is held, or None where Bursar could not be asked and the call goes on all the same.
        self.held: Reservation | None = None
        #: What was recorded at the end. None until then, and where it is recorded later.
        self.result: Reservation | None = None

    # While the call goes on.

    def used(self, reply: Any) -> None:
        """Says what the call used: the provider's reply or the usage object in it, as it came."""
        if self._ended or self.reading.final:
            self._said.say("used() was called again, or after the end of a call: govern each call by itself")
        if not self.reading.reply(reply) and not self.reading.final:
            self._said.say(f"no usage can be found in a {type(reply).__name__}")

    def release(self) -> None:
        """Says that nothing was sent: at the end nothing is recorded."""
        self._released = True

    def told(self, reply: Any) -> None:
        """The same, of what may have no usage; nobody knows what was used then."""
        try:
            self.reading.reply(reply)
        except Exception:
            log.exception("bursar: the usage in a %s cannot be read", type(reply).__name__)

    def told_by(self, error: BaseException | None) -> None:
        """The same, of an error that brings the reply: OpenAI's, of one that is too long to be parsed."""
        self.told(getattr(error, "completion", None))

    @property
    def id(self) -> str | None:
        """The reservation."""
        return self.held["id"] if self.held else None

    @property
    def tightest(self) -> Mapping[str, Any] | None:
        """The hard limit that has room for the fewest more of such calls, this one held."""
        return self.held.get("tightest") if self.held else None

    @property
    def remaining(self) -> Any:
        """What is left of that limit; None: nothing limits it."""
        return self.tightest["remaining"] if self.tightest else None

    @property
    def advice(self) -> Literal["ok", "wind_down", "stop"]:
        """For an agent to end in time: what the server advises, this call held. Of a server that gives no
        advice yet, how much of the tightest limit is used and held."""
        if self.held and "advice" in self.held:
            said = self.held["advice"]
            return said["level"] if said else "ok"
        limit = self.tightest
        if limit is None or limit["usageLimit"] is None:
            return "ok"
        taken = limit["currentUsage"] + limit["reserved"]
        share = float(taken) / float(limit["usageLimit"]) if limit["usageLimit"] else 1.0
        return "stop" if share >= STOP else "wind_down" if share >= WIND_DOWN else "ok"

    @property
    def degrade(self) -> Degrade | None:
        """What the call is to be changed to, by the degrade policies of who makes it; None: nothing."""
        said = self.held.get("advice") if self.held else None
        return said.get("degrade") if said else None

    # The steps.

    def _begin(self) -> Flow[None]:
        """Holds what the call may use. An attempt that has ended, or that another call of this
        process makes, is followed by the next."""
        if self._begun:
            raise RuntimeError("bursar: govern each call by itself: this one was begun before")
        self._begun, self._process = True, os.getpid()
        for n in range(MAX_ATTEMPTS):
            self._key = self._given if n == 0 else f"{self._given}~{n + 1}"
            try:
                got = yield self._reserve(), None
            except Unavailable as e:
                self._reached = e.sent
                self._went_away(e)
                return
            except BursarError:
                raise
            except BaseException:  # the caller gave up
                self._undo()
                raise
            if got["status"] == "OPEN" and self._books.claim(got["id"]):
                self.held = got
                return
            if self._expected.get("call_id"):
                break
        raise BursarError("this call has ended: give each call an id of its own", status=409, code="ReservationClosed")

    def _reserve(self) -> Call[Reservation]:
        options: Any = {**self._expected, "idempotency_key": self._key}
        return calls.reserve(self.customer_id, **options)

    def _went_away(self, e: Unavailable) -> None:
        if self._allow and e.status != 429 and self._books.take_place():
            self._placed = True
            self._said.say(f"Bursar cannot be asked: calls go on that nothing is held for, and are reported later ({e.message})")
            return
        if self._reached:
            self._undo()
        raise e

    def _undo(self) -> None:
        """Takes back a hold that may have been made though no answer came."""
        self._books.later(self._books.note(self._reserve(), undo=True))

    def _end(self, free: bool) -> Flow[None]:
        """Records what the call used, frees what it held if that is known to be nothing, or
        leaves the estimate. In the child of a fork it does nothing: the parent ends it."""
        if self._ended or not self._begun or self._process != os.getpid():
            return
        self._ended = True
        try:
            yield from self._ending(free)
        except Exception:  # the caller has a reply, which is not to be lost for this
            log.exception("bursar: the end of call %s was not recorded; what it held is booked as an estimate", self.id)
        finally:
            if self._placed:
                self._books.give_place()
            if self.id:
                self._books.unclaim(self.id)

    def _ending(self, free: bool) -> Flow[None]:
        begun = self.reading.usage is not None or self.reading.text > 0
        if self.reading.final:
            yield from self._record(usage=self.reading.object(), model=self.reading.answered(self._model))
        elif self._released or not begun and free:
            yield from self._free()
        elif begun and self._broken == "received":
            self._said.say("a reply broke off, or came without its usage; what came of it is recorded, as estimated")
            yield from self._record(usage=self._known(), properties={"estimated": True}, model=self.reading.answered(self._model))
        else:
            yield from self._settle()

    def leave(self) -> None:
        """Ends it from where nothing can be waited for: what ends it is sent by another thread."""
        flow = self._end(False)
        try:
            next(flow)
            while True:
                flow.throw(Unavailable("left"))
        except StopIteration:
            return

    @property
    def _model(self) -> str | None:
        return (self._expected.get("dimensions") or {}).get("model")

    def _input(self) -> int:
        """The tokens of the input, as they were held."""
        own = self._expected.get("input_tokens")
        return int(own) if own is not None else (int(self._expected.get("input_characters") or 0) + 2) // 3

    def _known(self) -> dict[str, Any]:
        """What is known of a call that broke off, as a usage object: what the provider counted
        so far, and the text that came."""
        counted = dict(self.reading.usage or {"input_tokens": self._input()})
        counted.pop("total_tokens", None)
        output = "completion_tokens" if "prompt_tokens" in counted else "output_tokens"
        counted[output] = max(-(-self.reading.text // 3), int(counted.get(output) or 0))
        return counted

    def _record(self, **used: Any) -> Flow[None]:
        if self.held is None:
            yield from self._report(**used)
            return
        commit = calls.commit(self.customer_id, self.held["id"], call_id=self._expected.get("call_id"), **used)
        try:
            self.result = yield from self._deliver(commit, instead=self._event(self._other, used))
        except BursarError as e:
            log.error("bursar: the usage of call %s was refused: %s", self.id, e)
            yield from self._settle()

    def _report(self, **used: Any) -> Flow[None]:
        """Records a call that nothing was held for. Its key is that of the hold: if that was made
        after all, this ends it."""
        try:
            yield from self._deliver(self._event(self._key, used), instead=self._event(self._other, used))
        except BursarError as e:
            log.error("bursar: what a call used that nothing was held for is counted nowhere: %s", e)

    def _event(self, key: str, used: Mapping[str, Any]) -> Call[Any]:
        """The call as an event. Under the other key it is one that ended nothing."""
        dims = {**(self._expected.get("dimensions") or {}), **(self._expected.get("properties") or {}), **(used.get("properties") or {})}
        event: dict[str, Any] = {
            "customerId": self.customer_id,
            "eventName": self._expected["event_name"],
            "idempotencyKey": key,
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "dimensions": {**dims, **({"model": used["model"]} if used.get("model") else {})},
            "usage": used["usage"],
        }
        if self._expected.get("call_id") and key == self._key:
            event["callId"] = self._expected["call_id"]
        return calls.events(event)  # type: ignore[arg-type]

    def _free(self) -> Flow[None]:
        try:
            if self.held is not None:
                self.result = yield from self._deliver(calls.release(self.customer_id, self.held["id"]))
            elif self._reached:
                self._undo()
        except BursarError as e:
            log.error("bursar: call %s used nothing, and what it held could not be freed: %s", self.id, e)

    def _settle(self) -> Flow[None]:
        """Nobody knows what was used: what was held is booked as an estimate, until a commit
        says better."""
        if self.held is None:
            self._said.say("the usage of a call is not known; what would have been held is reported as an estimate")
            usage = {"input_tokens": self._input(), "output_tokens": int(self._expected.get("max_tokens") or 0)}
            yield from self._report(usage=usage, properties={"estimated": True})
            return
        if self.held["onExpire"] != "settle":
            self._said.say("the usage of a call is not known; what it held is freed when it expires, and nothing is recorded")
            return
        self._said.say("the usage of a call is not known; what it held is booked as an estimate")
        log.info("bursar: the usage of call %s is not known", self.id)
        try:
            yield from self._deliver(calls.extend(self.customer_id, self.held["id"], ttl_seconds=1))
        except BursarError as e:
            if e.code != "ReservationClosed":  # it has expired, and is booked
                log.error("bursar: call %s is booked when its hold expires: %s", self.id, e)

    def _deliver(self, call: Call[T], instead: Call[Any] | None = None) -> Flow[T | None]:
        """Sends the end of a call, now or, where the server is away, later."""
        ticket = self._books.note(call, instead=instead)
        try:
            try:
                reply: T = yield call, END_SECONDS
            except BursarError as e:
                if instead is None or e.status != 409 or not refused(e):
                    raise
                log.warning("bursar: call %s was ended by another, and is recorded by itself: %s", self.id, e)
                yield instead, END_SECONDS
                self._books.done(ticket)
                return None
        except BursarError as e:
            if refused(e):
                self._books.done(ticket)
                raise
            self._books.later(ticket, placed=self._placed)
            return None
        except BaseException:
            self._books.later(ticket, placed=self._placed)
            raise
        self._books.done(ticket)
        return reply


class Governed(Underway):
    """A call that a thread makes; see Client.govern."""

    def __init__(self, client: Client, expected: Expected) -> None:
        super().__init__(client, expected)
        self._client = client

    def _go(self, flow: Flow[None]) -> None:
        step: Any = None
        failed: BaseException | None = None
        try:
            while True:
                call, timeout = flow.throw(failed) if failed else flow.send(step)
                step, failed = None, None
                try:
                    step = self._client.send(call, timeout=timeout)
                except BaseException as e:
                    failed = e
        except StopIteration:
            return

    def __enter__(self) -> Governed:
        self._go(self._begin())
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._go(self._end(refusal(error)))

    def finish(self, error: BaseException | None = None) -> None:
        """Ends it, where an error can be of the call alone."""
        self.told_by(error)
        self._go(self._end(used_nothing(error)))

    def run(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Makes the call and records what its reply says of usage."""
        self.__enter__()
        try:
            reply = call(*args, **kwargs)
        except BaseException as e:
            self.finish(e)
            raise
        self.used(reply)
        self.finish()
        return reply


class AsyncGoverned(Underway):
    """A call that a task makes; see AsyncClient.govern."""

    def __init__(self, client: AsyncClient, expected: Expected) -> None:
        super().__init__(client, expected)
        self._client = client

    async def _go(self, flow: Flow[None]) -> None:
        step: Any = None
        failed: BaseException | None = None
        try:
            while True:
                call, timeout = flow.throw(failed) if failed else flow.send(step)
                step, failed = None, None
                try:
                    step = await self._client.send(call, timeout=timeout)
                except BaseException as e:
                    failed = e
        except StopIteration:
            return

    async def __aenter__(self) -> AsyncGoverned:
        await self._go(self._begin())
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        await self._go(self._end(refusal(error)))

    async def finish(self, error: BaseException | None = None) -> None:
        """Ends it, where an error can be of the call alone."""
        self.told_by(error)
        await self._go(self._end(used_nothing(error)))

    async def run(self, call: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Makes the call and records what its reply says of usage."""
        await self.__aenter__()
        try:
            reply = await call(*args, **kwargs)
        except BaseException as e:
            await self.finish(e)
            raise
        self.used(reply)
        await self.finish()
        return reply
