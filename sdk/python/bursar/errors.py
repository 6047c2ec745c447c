"""What can go wrong when Bursar is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Mapping

__all__ = ["BursarError", "BudgetDenied", "Unavailable"]


class BursarError(Exception):
    """A reply that is no success.

    `code` is stable: branch on it. `pointer` is the place of the request that is wrong, as
    "/dimensions" or "?limit". `trace_id` names the request in the server's log.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        trace_id: str = "",
        retryable: bool = False,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}" if code else message)
        self.message = message
        self.status = status
        self.code = code
        self.trace_id = trace_id
        self.retryable = retryable
        self.problem: Mapping[str, Any] = problem or {}  # the whole reply
        self.errors: list[dict[str, Any]] = list(self.problem.get("errors") or [])
        self.pointer: str = self.errors[0].get("pointer", "") if self.errors else ""
        self.wait: float | None = None  # seconds that the server asks to wait


class BudgetDenied(BursarError):
    """There is no room for the call: nothing was sent, and nothing is held.

    `binding` is the limit that denied, with all its figures; None where a freeze did, which
    `frozen` tells. `remaining` is what is left of it, and `resets_at` when its window ends and
    it starts anew; None: never, by time alone.
    """

    def __init__(self, message: str, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.binding: dict[str, Any] | None = self.problem.get("binding")
        self.frozen: dict[str, Any] | None = self.problem.get("frozen")
        self.chains: list[list[dict[str, Any]]] = self.problem.get("chains") or []
        self.warnings: list[str] = self.problem.get("warnings") or []
        bound = self.binding or {}
        self.entity_id: str | None = bound.get("entityId")
        self.remaining: Any = bound.get("remaining")
        self.resets_at: datetime | None = _time(self.problem.get("resetsAt") or bound.get("resetsAt"))


class Unavailable(BursarError):
    """Bursar could not be asked: the network failed, or the server cannot decide now.

    `sent` tells whether a request may have reached it all the same.
    """

    def __init__(self, message: str, *, sent: bool = True, **rest: Any) -> None:
        rest.setdefault("code", "Unavailable")
        rest.setdefault("retryable", True)
        super().__init__(message, **rest)
        self.sent = sent


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
