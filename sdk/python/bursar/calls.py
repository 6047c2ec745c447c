"""The calls that an application makes at run time, each built here once for all clients.

Options have the API's names in snake_case; what goes and comes as JSON, such as an event or a
reply, has the API's own. An option that is None is left out.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timezone
from typing import Any, Dict, List, Literal, Mapping, Sequence, Union

from .types import (
    BoostRequest,
    CheckItem,
    Consume,
    CreditCheck,
    Estimates,
    EventIn,
    Events,
    Explain,
    FeatureCheck,
    Forecasts,
    History,
    Number,
    PageOfBoostRequest,
    PageOfDenial,
    PageOfReservation,
    Reservation,
    TokensIn,
    Usage,
    UsageItem,
)
from .wire import Call, segments

Decision = Union[FeatureCheck, CreditCheck]
Dimensions = Mapping[str, Any]  # to strings, numbers and booleans


def new_key() -> str:
    return secrets.token_urlsafe(18)


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda m: m.group(1).upper(), name)


def _members(given: Mapping[str, Any], path: Sequence[str] = ()) -> dict[str, Any]:
    """The options that were given, by the API's names."""
    return {camel(k): v for k, v in given.items() if v is not None and k not in path}


def _text(v: Any) -> str:
    if isinstance(v, datetime):
        return v.astimezone(timezone.utc).isoformat()
    return str(v).lower() if isinstance(v, bool) else str(v)


def _query(given: Mapping[str, Any], path: Sequence[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for name, v in _members(given, path).items():
        if isinstance(v, Mapping):
            out.update({f"{name}[{k}]": _text(x) for k, x in v.items() if x is not None})
        elif isinstance(v, (list, tuple)):
            out[name] = ",".join(map(_text, v))
        else:
            out[name] = _text(v)
    return out


_CUSTOMER = ("customer_id",)
_HOLD = ("customer_id", "reservation_id", "idempotency_key")


def check(
    customer_id: str,
    *,
    feature_id: str | None = None,
    currency_id: str | None = None,
    requested_usage: Number | None = None,
    dimensions: Dimensions | None = None,
    strict: bool | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[Decision]:
    """Whether usage would be granted. It holds nothing, and a denial is an answer."""
    return Call("GET", segments("customers", customer_id, "entitlements", "check"), _query(locals(), _CUSTOMER))


def checks(
    customer_id: str, *checks: CheckItem, min_version: int | None = None, max_staleness_ms: int | None = None
) -> Call[List[Decision]]:
    """Up to 100 questions of one snapshot, each as if it were alone."""
    query = _query({"min_version": min_version, "max_staleness_ms": max_staleness_ms}, ())
    return Call("POST", segments("customers", customer_id, "entitlements", "checks"), query, {"checks": list(checks)})


def reserve(
    customer_id: str,
    *,
    event_name: str | None = None,
    feature_id: str | None = None,
    currency_id: str | None = None,
    amount: Number | None = None,
    dimensions: Dimensions | None = None,
    max_tokens: int | None = None,
    hold: str | None = None,
    input_tokens: int | None = None,
    input_characters: int | None = None,
    usage: Mapping[str, Any] | None = None,
    tokens: TokensIn | None = None,
    properties: Mapping[str, Any] | None = None,
    ttl_seconds: int | None = None,
    on_expire: Literal["release", "settle"] | None = None,
    strict: bool | None = None,
    call_id: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Reservation]:
    """Holds an amount of a feature or currency, or all that an event may use, on every limit of
    its path; or nothing, and BudgetDenied tells by what."""
    given = {**locals(), "idempotency_key": idempotency_key or new_key()}
    return Call("POST", segments("customers", customer_id, "reservations"), body=_members(given, _CUSTOMER))


def reservation(
    customer_id: str, reservation_id: str, *, min_version: int | None = None, max_staleness_ms: int | None = None
) -> Call[Reservation]:
    """A reservation, as it stands."""
    return Call("GET", segments("customers", customer_id, "reservations", reservation_id), _query(locals(), _HOLD))


def reservations(
    customer_id: str,
    *,
    status: Literal["OPEN", "COMMITTED", "RELEASED", "EXPIRED"] | None = None,
    entity_id: str | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[PageOfReservation]:
    """A page of the reservations, the open ones unless a status is given."""
    return Call("GET", segments("customers", customer_id, "reservations"), _query(locals(), _CUSTOMER), whole=True)


def commit(
    customer_id: str,
    reservation_id: str,
    *,
    amount: Number | None = None,
    usage: Mapping[str, Any] | None = None,
    tokens: TokensIn | None = None,
    properties: Mapping[str, Any] | None = None,
    model: str | None = None,
    call_id: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Reservation]:
    """Records what was really used, even above the hold, and frees the rest. `usage` is the
    usage object of the provider's reply, as it came."""
    return Call(
        "POST",
        segments("customers", customer_id, "reservations", reservation_id, "commit"),
        body=_members(locals(), _HOLD),
        key=idempotency_key or new_key(),
    )


def extend(
    customer_id: str,
    reservation_id: str,
    *,
    ttl_seconds: int | None = None,
    tokens: TokensIn | None = None,
    idempotency_key: str | None = None,
) -> Call[Reservation]:
    """Holds for longer, or more tokens of an event on every limit: all of them, or BudgetDenied."""
    return Call(
        "POST",
        segments("customers", customer_id, "reservations", reservation_id, "extend"),
        body=_members(locals(), _HOLD),
        key=idempotency_key or new_key(),
    )


def release(customer_id: str, reservation_id: str, *, idempotency_key: str | None = None) -> Call[Reservation]:
    """Frees what is held of a call that used nothing."""
    path = segments("customers", customer_id, "reservations", reservation_id, "release")
    return Call("POST", path, key=idempotency_key or new_key())


def consume(
    customer_id: str,
    *,
    event_name: str | None = None,
    feature_id: str | None = None,
    currency_id: str | None = None,
    amount: Number | None = None,
    dimensions: Dimensions | None = None,
    usage: Mapping[str, Any] | None = None,
    tokens: TokensIn | None = None,
    properties: Mapping[str, Any] | None = None,
    strict: bool | None = None,
    call_id: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Consume]:
    """Checks and records in one step, or raises BudgetDenied."""
    given = {**locals(), "idempotency_key": idempotency_key or new_key()}
    return Call("POST", segments("customers", customer_id, "consume"), body=_members(given, _CUSTOMER))


def events(*events: EventIn) -> Call[Events]:
    """Records up to 1,000 events, which no limit refuses."""
    return Call("POST", "/events", body={"events": [_keyed(e) for e in events]})


def usage(*usages: UsageItem) -> Call[List[Usage]]:
    """Records up to 100 amounts of features without a meter, which no limit refuses."""
    return Call("POST", "/usage", body={"usages": [_keyed(u) for u in usages]})


def _keyed(item: Mapping[str, Any]) -> Dict[str, Any]:
    return {"idempotencyKey": new_key(), **item}


def estimate(
    customer_id: str,
    event_name: str,
    *,
    dimensions: Dimensions | None = None,
    usage: Mapping[str, Any] | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[Estimates]:
    """What an event would cost. Nothing is recorded."""
    query = _query({"min_version": min_version, "max_staleness_ms": max_staleness_ms}, ())
    return Call("POST", "/events/estimate", query, _members(locals(), ("query", "min_version", "max_staleness_ms")))


def estimate_usage(
    customer_id: str,
    feature_id: str,
    value: Number,
    *,
    update_behavior: Literal["DELTA", "SET"] | None = None,
    dimensions: Dimensions | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[Estimates]:
    """What usage of a feature would cost. Nothing is recorded."""
    query = _query({"min_version": min_version, "max_staleness_ms": max_staleness_ms}, ())
    return Call("POST", "/usage/estimate", query, _members(locals(), ("query", "min_version", "max_staleness_ms")))


def explain(
    customer_id: str,
    *,
    event_name: str | None = None,
    feature_id: str | None = None,
    currency_id: str | None = None,
    requested_usage: Number | None = None,
    dimensions: Dimensions | None = None,
    max_tokens: int | None = None,
    hold: str | None = None,
    input_tokens: int | None = None,
    input_characters: int | None = None,
    usage: Mapping[str, Any] | None = None,
    tokens: TokensIn | None = None,
    properties: Mapping[str, Any] | None = None,
    strict: bool | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[Explain]:
    """A check, or whether an event could be reserved for, level by level: what fits, what would be needed, and when it
    would be granted."""
    query = _query({"min_version": min_version, "max_staleness_ms": max_staleness_ms}, ())
    body = _members(locals(), ("customer_id", "query", "min_version", "max_staleness_ms"))
    return Call("POST", segments("customers", customer_id, "explain"), query, body)


def request_boost(
    customer_id: str,
    amount: Number,
    *,
    assignment_id: str | None = None,
    entity_id: str | None = None,
    feature_id: str | None = None,
    currency_id: str | None = None,
    cadence: str | None = None,
    scope_entity_ids: Sequence[str] | None = None,
    label: str | None = None,
    model: str | None = None,
    expires_at: datetime | None = None,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Call[BoostRequest]:
    """Asks that a limit be raised by an amount for a time; somebody approves or declines that."""
    body = _members(locals(), ("customer_id", "idempotency_key"))
    if isinstance(expires_at, datetime):
        body["expiresAt"] = _text(expires_at)
    return Call("POST", segments("customers", customer_id, "boost-requests"), {}, body, key=idempotency_key or new_key())


def boost_request(
    customer_id: str, boost_request_id: str, *, min_version: int | None = None, max_staleness_ms: int | None = None
) -> Call[BoostRequest]:
    """What became of a request."""
    query = _query({"min_version": min_version, "max_staleness_ms": max_staleness_ms}, ())
    return Call("GET", segments("customers", customer_id, "boost-requests", boost_request_id), query)


def boost_requests(
    customer_id: str,
    *,
    status: Literal["OPEN", "APPROVED", "DECLINED", "WITHDRAWN", "EXPIRED"] | None = None,
    entity_id: str | None = None,
    limit: int | None = None,
    after: str | None = None,
    before: str | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[PageOfBoostRequest]:
    """Requests, the newest first."""
    return Call("GET", segments("customers", customer_id, "boost-requests"), _query(locals(), _CUSTOMER), whole=True)


def forecast(
    customer_id: str,
    *,
    feature_id: str | None = None,
    currency_id: str | None = None,
    cadence: str | None = None,
    entity_type_ids: Sequence[str] | None = None,
    root_entity_id: str | None = None,
    depth: int | None = None,
    label: str | None = None,
    limit: int | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[Forecasts]:
    """When limits will run out, the soonest first."""
    return Call("GET", segments("customers", customer_id, "forecast"), _query(locals(), _CUSTOMER), whole=True)


def denials(
    customer_id: str,
    *,
    start_date: datetime | None = None,
    end_date: datetime | None = None,
    entity_id: str | None = None,
    feature_id: str | None = None,
    currency_id: str | None = None,
    assignment_id: str | None = None,
    reason: str | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[PageOfDenial]:
    """What was denied, the newest first, a page at a time."""
    return Call("GET", segments("customers", customer_id, "denials"), _query(locals(), _CUSTOMER), whole=True)


def history(
    customer_id: str,
    *,
    start_date: datetime,
    feature_id: str | None = None,
    currency_id: str | None = None,
    end_date: datetime | None = None,
    granularity: Literal["HOUR", "DAY", "WEEK", "MONTH"] | None = None,
    timezone: str | None = None,
    group_by: Sequence[str] | None = None,
    min_version: int | None = None,
    max_staleness_ms: int | None = None,
) -> Call[History]:
    """What the customer used over time, by up to three dimensions."""
    return Call("GET", segments("customers", customer_id, "usage"), _query(locals(), _CUSTOMER))
