"""How a call is put on the wire and its reply read, whatever carries it."""

from __future__ import annotations

import json
import random
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, Mapping, TypeVar
from urllib.parse import quote, urlencode

from .errors import BudgetDenied, BursarError, Unavailable
from .reading import plain

T = TypeVar("T")
Headers = Any  # what has get(name), in which case does not matter

BASE = "/api/v1"
MAX_RETRY_AFTER = 30.0
ATTEMPT_SECONDS = 5.0
FIRST_BACKOFF, MAX_BACKOFF = 0.05, 2.0

_AGAIN = (408, 429, 502, 503, 504)


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, before it is sent. It may be sent again: what it records has a key."""

    method: str
    path: str  # below BASE
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    key: str | None = None  # the header Idempotency-Key
    whole: bool = False  # the reply is not {"data": …}

    @property
    def target(self) -> str:
        return BASE + self.path + ("?" + urlencode(self.query) if self.query else "")

    def headers(self, api_key: str) -> dict[str, str]:
        out = {"X-API-KEY": api_key, "Accept": "application/json", "User-Agent": "bursar-python"}
        if self.body is not None:
            out["Content-Type"] = "application/json"
        if self.key is not None:
            out["Idempotency-Key"] = self.key
        return out

    def content(self) -> bytes | None:
        return None if self.body is None else dumps(self.body)

    def read(self, status: int, headers: Headers, body: bytes) -> T:
        """What the reply says; raises what it is if it is no success."""
        try:
            said = json.loads(body, parse_float=Decimal) if body else {}
        except ValueError:
            said = None
        if 200 <= status < 300 and isinstance(said, dict):
            out: T = said if self.whole else said.get("data")  # type: ignore[assignment]
            return out
        raise failure(status, headers, said if isinstance(said, dict) else {})


def segments(*parts: str) -> str:
    return "".join("/" + quote(part, safe="") for part in parts)


_MARK = secrets.token_hex(16)
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


def dumps(value: Any) -> bytes:
    """JSON in which a Decimal is a number with all its digits, and objects of SDKs are dicts."""

    def other(v: Any) -> Any:
        if isinstance(v, Decimal) and v.is_finite():
            return _MARK + format(v, "f")
        if isinstance(v, (datetime, date)):
            return v.isoformat()
        said = plain(v)
        if isinstance(said, Mapping):
            return dict(said)
        raise TypeError(f"bursar: {type(v).__name__} cannot be sent: {v!r}")

    text = json.dumps(value, default=other, allow_nan=False, separators=(",", ":"))
    return _MARKED.sub(r"\1", text).encode()


def failure(status: int, headers: Headers, problem: Mapping[str, Any]) -> BursarError:
    """The error that a reply is. One that says nothing, of a proxy perhaps, has its status."""
    about: dict[str, Any] = {
        "status": status,
        "code": problem.get("code", ""),
        "trace_id": headers.get("X-Request-Id", ""),
        "problem": problem,
    }
    message = problem.get("message") or f"the reply is {status} and says nothing of why"
    asked = headers.get("X-Should-Retry", "")
    again = status != 402 and (asked == "true" if asked else status in _AGAIN)
    error: BursarError
    if status == 402:
        error = BudgetDenied(message, **about)
    elif status in (408, 429) or status >= 500:
        about["code"] = about["code"] or "Unavailable"
        error = Unavailable(message, retryable=again, **about)
    else:
        error = BursarError(message, retryable=again, **about)
    wait = headers.get("Retry-After", "")
    if wait.isdigit():
        error.wait = min(float(wait), MAX_RETRY_AFTER)
    return error


class Tries:
    """The attempts of one call, which have `timeout` seconds together."""

    def __init__(self, retries: int, timeout: float) -> None:
        self._retries = retries
        self._until = time.monotonic() + timeout
        self._n = 0
        self._sent = False

    def left(self) -> float:
        return max(self._until - time.monotonic(), 0.001)

    def attempt(self) -> float:
        return min(self.left(), ATTEMPT_SECONDS)

    def wait(self, error: BursarError) -> float:
        """Seconds until the next attempt. It raises the error where there is none."""
        if isinstance(error, Unavailable):
            self._sent = error.sent = error.sent or self._sent
        pause = error.wait if error.wait is not None else backoff(self._n)
        if not error.retryable or self._n >= self._retries or pause >= self.left():
            raise error
        self._n += 1
        return pause


def backoff(n: int) -> float:
    """The pause after attempt n: it doubles, and half of it is chance, so that clients which
    failed together do not come back together."""
    pause: float = min(FIRST_BACKOFF * 2.0 ** min(n, 10), MAX_BACKOFF)
    return pause / 2 + random.random() * pause / 2
