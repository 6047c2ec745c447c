"""The shapes of what goes and comes, made by generate.py from httpapi/openapi.json."""

# fmt: off
from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Mapping, Optional, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired

# A reply has an amount as an int, or as a Decimal with all its digits; either may be sent, and
# a float.
Number = Union[int, float, Decimal]


class BoostRequest(TypedDict):
    """What somebody asked for: that a limit be raised for a time; and what became of it."""

    amount: Number
    """By how much the limit is to be raised."""
    approvedAmount: Optional[Number]
    """By how much that raises the limit."""
    approvedExpiresAt: Optional[str]
    """Until when it does, unless the boost is ended before."""
    assignmentId: str
    """The limit."""
    boostId: Optional[str]
    """The boost that was made of it."""
    createdAt: str
    """When it was made."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    decidedAt: Optional[str]
    """When it was approved, declined or withdrawn by who asked; else null."""
    decidedBy: Optional[str]
    """Who did that, as requestedBy says it."""
    entityId: str
    """The entity."""
    expiresAt: str
    """Until when."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    fundedBy: Optional[str]
    """The entity whose limit has as much less for it; null: none, or one that an access token does not see."""
    id: str
    """Names it."""
    note: Optional[str]
    """What they said to it."""
    reason: Optional[str]
    """Why."""
    requestedBy: str
    """Who asked: the subject of the access token, else the id of the key or token."""
    revision: str
    """Of what is shown here; a write may say that it is based on it."""
    status: Literal["OPEN", "APPROVED", "DECLINED", "WITHDRAWN", "EXPIRED"]
    """WITHDRAWN also while the limit is gone or its entity archived; EXPIRED at expiresAt, or 7 days after it was made."""


class CheckItem(TypedDict):
    """A question."""

    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    dimensions: NotRequired[Mapping[str, Union[str, Number, bool]]]
    """Properties of the usage. Those that are attribution keys name the entities that it counts on."""
    featureId: NotRequired[str]
    """Exactly one of featureId and currencyId."""
    requestedUsage: NotRequired[Number]
    """How much is asked for. Default: 1."""
    strict: NotRequired[bool]
    """What names no entity is denied with EntityNotFound: an id that is unknown and, of a request, dimensions that name none at all."""


class Consume(TypedDict):
    """Usage that is checked and recorded in one step."""

    advice: Optional[Advice]
    """How to go on, with what was consumed here; null where no hard limit counts."""
    alerts: NotRequired[List[Alert]]
    """Of an event: thresholds that it reached."""
    amount: NotRequired[Number]
    """Left out of an event."""
    chains: List[List[Node]]
    """The limits that apply, from each entity that the dimensions name up to its root."""
    cost: List[Cost]
    """What it costs."""
    credit: Optional[CreditBalance]
    """The customer's pool afterwards; null if none was touched."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    duplicate: bool
    """Whether this was recorded before: nothing is counted twice."""
    eventName: NotRequired[str]
    """The name of the event, by which meters find it."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    id: str
    """Names it."""
    tightest: NotRequired[Binding]
    """Of an event: the hard limit that has room for the fewest more of such events."""
    timestamp: str
    """When."""
    tokens: NotRequired[Tokens]
    """Of an event: tokens by kind."""
    used: NotRequired[List[CapabilityAmount]]
    """Of an event: what was recorded of each feature and currency."""
    warnings: NotRequired[List[str]]
    """What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one."""


class CreditCheck(TypedDict):
    """Whether credits may be spent."""

    accessDeniedDetail: NotRequired[str]
    """Of EntityNotFound and Ungoverned: who was named, and what to do."""
    accessDeniedReason: Optional[str]
    """Why it is denied; null when it is granted."""
    advice: Optional[Advice]
    """How to go on, by what is used and held without this request; null where no hard limit counts."""
    binding: Optional[Binding]
    """What refuses first, with its figures; null when nothing does."""
    chains: NotRequired[List[List[Node]]]
    """Left out when the request has no dimensions."""
    currency: CheckCurrency
    """The currency."""
    currentUsage: Number
    """What was used in the current window."""
    frozen: NotRequired[Frozen]
    """What denied where a freeze did, whatever the limits say; binding is null then."""
    isGranted: bool
    """Whether it is granted."""
    remaining: Optional[Number]
    """null when no pool gates."""
    reserved: Number
    """What open reservations hold."""
    type: Literal["CREDIT"]
    """Which kind it is."""
    usageLimit: Optional[Number]
    """Of the pool: all that was granted; null when no pool gates."""
    usagePeriodEnd: NotRequired[str]
    """When the next grant that has credits left expires, as validUntil."""
    usageUpdatedAt: str
    """When usage was counted last."""
    validUntil: NotRequired[str]
    """When the answer may change by itself."""
    warnings: NotRequired[List[str]]
    """What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one."""


class Estimates(TypedDict):
    """What usage would cost."""

    estimates: List[Estimate]
    """By currency."""
    warnings: List[str]
    """FEATURE_NOT_FOUND or FEATURE_NOT_CREDIT_BASED when nothing has a price, FEATURE_NOT_CREDIT_BASED:feature for one that has none; else as the report would have them."""


class EventIn(TypedDict):
    """Something that happened, which meters turn into usage."""

    callId: NotRequired[str]
    """Your id of the call that the event is. If a reservation has it, as callId or as idempotency key, the event ends that; if the call was counted already, the event is a duplicate."""
    customerId: str
    """The customer."""
    dimensions: NotRequired[Mapping[str, Union[str, Number, bool]]]
    """gen_ai.* attributes become token counts, too."""
    eventName: str
    """The name of the event, by which meters find it."""
    idempotencyKey: NotRequired[str]
    """Required, here or as the Idempotency-Key header."""
    reservationId: NotRequired[str]
    """The reservation of this event: it ends with what the event used, as by a commit."""
    timestamp: NotRequired[str]
    """When it happened. Send it: then a duplicate is recognised or refused, always."""
    usage: NotRequired[Mapping[str, Any]]
    """The usage object of a model provider's reply, or the reply itself, as it came. It becomes the dimensions tokens.input, tokens.cache_read, tokens.cache_write, tokens.cache_write_1h, tokens.output, tokens.reasoning and those of sound, pictures, searches and so on, unless they are given."""


class Events(TypedDict):
    """Events."""

    events: List[Event]
    """What each event did, in their order."""
    warnings: NotRequired[List[str]]
    """What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one."""


class Explain(TypedDict):
    """A decision, limit by limit."""

    chains: List[List[ExplainedNode]]
    """As a check gives them; [] without dimensions."""
    decision: Union[FeatureCheck, CreditCheck]
    """The decision, as a check would answer it."""
    gates: List[ExplainedGate]
    """Of the customer: the promotional entitlement of the feature, the pool of each currency."""
    grantedAfter: Optional[str]
    """The end of a window at which it would be granted if nothing else were used; null when it is granted now, or never by time alone."""
    rootEntityId: Optional[str]
    """Of an access token with a root: only limits at and below it were asked, those above and the customer's own may still deny; the decision's figures of the customer are 0 and unlimited. Else null."""


class FeatureCheck(TypedDict):
    """Whether a feature may be used."""

    accessDeniedDetail: NotRequired[str]
    """Of EntityNotFound and Ungoverned: who was named, and what to do."""
    accessDeniedReason: Optional[str]
    """Why it is denied; null when it is granted."""
    advice: Optional[Advice]
    """How to go on, by what is used and held without this request; null where no hard limit counts."""
    binding: Optional[Binding]
    """What refuses first, with its figures; null when nothing does."""
    chains: NotRequired[List[List[Node]]]
    """Left out when the request has no dimensions."""
    costs: NotRequired[List[Cost]]
    """Of a priced feature: what the request costs in each currency."""
    currentUsage: NotRequired[Number]
    """What was used in the current window."""
    entitlementUpdatedAt: NotRequired[str]
    """When the customer's own limit changed last."""
    feature: NotRequired[CheckFeature]
    """The feature."""
    frozen: NotRequired[Frozen]
    """What denied where a freeze did, whatever the limits say; binding is null then."""
    hasUnlimitedUsage: NotRequired[bool]
    """Whether there is no limit."""
    isGranted: bool
    """Whether it is granted."""
    resetPeriod: NotRequired[Optional[str]]
    """How often usage starts at 0 again; null: never."""
    type: Literal["FEATURE"]
    """Which kind it is."""
    unpriced: NotRequired[List[str]]
    """With the reason Unknown: currencies that the feature has a price in, but not for these dimensions."""
    usageLimit: NotRequired[Optional[Number]]
    """Of the customer's promotional entitlement; null is unlimited."""
    usagePeriodAnchor: NotRequired[str]
    """An instant at which a window begins."""
    usagePeriodEnd: NotRequired[str]
    """When the current window ends, exclusive."""
    usagePeriodStart: NotRequired[str]
    """With a reset period, as the end and the anchor."""
    validUntil: NotRequired[str]
    """When time alone changes the answer next: the period or the entitlement ends."""
    warnings: NotRequired[List[str]]
    """What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one."""


class Forecasts(TypedDict):
    """Limits with what is expected of them, those first that run out the soonest."""

    asOf: str
    """The instant that the reply is true at."""
    data: List[ForecastRow]
    """The rows."""


class History(TypedDict):
    """Usage over time."""

    markers: List[Marker]
    """Where windows of the customer begin."""
    series: List[Series]
    """By group."""
    warnings: List[str]
    """USAGE_NOT_TOLD_APART: a series has untold. DIMENSIONS_NOT_TOLD_APART: the customer has more combinations of dimensions than the 1,000 that are told apart; usage with further ones is in the series without them."""


class PageOfBoostRequest(TypedDict):
    """A page of boost requests."""

    data: List[BoostRequest]
    """The rows."""
    pagination: Pagination
    """The cursors of the pages beside this one."""


class PageOfDenial(TypedDict):
    """A page of a list. A request that was refused."""

    data: List[Denial]
    """The rows."""
    pagination: Pagination
    """The cursors of the pages beside this one."""


class PageOfReservation(TypedDict):
    """A page of a list. An amount that is held."""

    data: List[Reservation]
    """The rows."""
    pagination: Pagination
    """The cursors of the pages beside this one."""


class Problem(TypedDict):
    """What went wrong (RFC 9457)."""

    advice: NotRequired[Optional[Advice]]
    """Of a denial (402): how to go on all the same, such as with what fits. What was asked for does not count."""
    allocation: NotRequired[AllocationProblem]
    """With strict, the limits below may not add up to more than this one."""
    binding: NotRequired[Optional[Binding]]
    """The limit that refused (402)."""
    chains: NotRequired[List[List[Node]]]
    """The limits that apply, from each entity that the dimensions name up to its root."""
    code: str
    """Stable; branch on this."""
    conflicts: NotRequired[List[Mapping[str, Any]]]
    """With RevisionMismatch: what is there now, as a read of it shows it, where the request named an older revision."""
    detail: str
    """What is wrong and what to do."""
    errors: NotRequired[List[Mapping[str, Any]]]
    """Each place that is wrong."""
    frozen: NotRequired[Frozen]
    """The freeze that denies, whatever the limits say; absent when there is none."""
    instance: str
    """Names the request, as X-Request-Id does."""
    message: str
    """The same as detail."""
    resetsAt: NotRequired[Optional[str]]
    """When the window ends and usage starts at 0 again."""
    retryable: bool
    """Whether the same request may succeed later."""
    status: int
    """How it stands."""
    title: str
    """The problem in a few words."""
    type: str
    """Which kind it is."""
    warnings: NotRequired[List[str]]
    """With a denial (402): what of the request may be meant otherwise."""


class Reservation(TypedDict):
    """An amount that is held."""

    advice: Optional[Advice]
    """How to go on, with what this one holds or used; null where no hard limit counts."""
    alerts: NotRequired[List[Alert]]
    """Of an event: thresholds that its usage reached; in the reply to the commit alone."""
    amount: NotRequired[Number]
    """Left out of an event."""
    chains: List[List[Node]]
    """The limits on its path, and their figures when this was answered."""
    closedAt: Optional[str]
    """When it was committed, released or expired."""
    committedAmount: Optional[Number]
    """What was used in the end; null until it is committed."""
    cost: List[Cost]
    """Held while it is open, then charged; none after a release."""
    createdAt: str
    """When it was made."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    customerId: str
    """The customer."""
    dimensions: Mapping[str, Union[str, Number, bool]]
    """Properties of the usage. Those that are attribution keys name the entities that it counts on."""
    duplicate: bool
    """Whether this was recorded before: nothing is counted twice."""
    estimated: NotRequired[bool]
    """Of an event: nobody said what was used, and what was held is recorded until somebody does."""
    eventName: NotRequired[str]
    """The name of the event, by which meters find it."""
    expiresAt: str
    """When it ends."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    held: NotRequired[List[CapabilityAmount]]
    """Of an event: what is held of each feature and currency, or was until it ended."""
    id: str
    """Names it."""
    lateCommit: bool
    """Whether it was committed after it had expired."""
    learned: NotRequired[Learned]
    """Of an event with hold: what was taken from calls before; in the reply that made the reservation alone."""
    onExpire: Literal["release", "settle"]
    """What happens when it expires: release frees the amount, settle counts it as used."""
    overshoot: NotRequired[Number]
    """How much more was committed than held; left out of an event."""
    status: Literal["OPEN", "COMMITTED", "RELEASED", "EXPIRED"]
    """How it stands."""
    tightest: NotRequired[Binding]
    """Of an event: the hard limit that has room for the fewest more of such events."""
    tokens: NotRequired[Tokens]
    """Of an event: tokens by kind, as expected while it is open, then as recorded."""
    used: NotRequired[List[CapabilityAmount]]
    """Of an event: what was recorded of each feature and currency."""
    warnings: NotRequired[List[str]]
    """Of the request that made it; in the reply to that alone."""


class TokensIn(TypedDict):
    """Tokens by kind. A token is of one kind alone."""

    cache_read: NotRequired[int]
    """Of the prompt, found in the provider's cache."""
    cache_read_audio: NotRequired[int]
    """Of the prompt: sound, found in the provider's cache."""
    cache_write: NotRequired[int]
    """Of the prompt, put into the cache for its usual time."""
    cache_write_1h: NotRequired[int]
    """Of the prompt, put into the cache for an hour."""
    citation: NotRequired[int]
    """Of sources that a search model read."""
    input: NotRequired[int]
    """Of the prompt, neither read from a cache nor written to one."""
    input_audio: NotRequired[int]
    """Of the prompt: sound, not from a cache."""
    input_image: NotRequired[int]
    """Of the prompt: pictures, not from a cache."""
    output: NotRequired[int]
    """Without reasoning."""
    output_audio: NotRequired[int]
    """Sound that was made."""
    output_image: NotRequired[int]
    """Pictures that were made."""
    output_video: NotRequired[int]
    """Video that was made."""
    reasoning: NotRequired[int]
    """Thinking that is charged as output."""


class Usage(TypedDict):
    """Usage that was reported."""

    createdAt: str
    """When it was made."""
    credit: Optional[CreditBalance]
    """The customer's pool afterwards; null if none was touched."""
    currentUsage: Optional[Number]
    """What was used in the current window."""
    customerId: str
    """The customer."""
    duplicate: bool
    """Whether this was recorded before: nothing is counted twice."""
    featureId: str
    """The feature. Excludes currencyId."""
    id: str
    """Names it."""
    nextResetDate: Optional[str]
    """When the window ends."""
    resourceId: Optional[str]
    """Always null: there are no resources."""
    timestamp: str
    """When."""
    usagePeriodEnd: Optional[str]
    """When the current window ends, exclusive."""
    usagePeriodStart: Optional[str]
    """When the current window began."""
    value: Number
    """The value."""
    warnings: List[str]
    """What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one."""


class UsageItem(TypedDict):
    """Usage of a feature."""

    createdAt: NotRequired[str]
    """When it happened. Send it: then a duplicate is recognised or refused, always."""
    customerId: str
    """The customer."""
    dimensions: NotRequired[Mapping[str, Union[str, Number, bool]]]
    """Properties of the usage. Those that are attribution keys name the entities that it counts on."""
    featureId: str
    """The feature. Excludes currencyId."""
    idempotencyKey: NotRequired[str]
    """Names the usage: sent again, it counts once."""
    updateBehavior: NotRequired[Literal["DELTA", "SET"]]
    """DELTA adds the value, SET makes it the level. Default: DELTA."""
    value: Number
    """Below 0 only for FLUCTUATING features."""


class Advice(TypedDict):
    """How to go on: how near the tightest of the limits is to its end."""

    degrade: NotRequired[Degrade]
    """What the request is to be changed to, by the furthest step of a degrade policy on its path; absent where none was reached."""
    left: Number
    """What the limit still lets through."""
    level: Literal["ok", "wind_down", "stop"]
    """ok: go on. wind_down: begin nothing new. stop: end now. It denies nothing."""
    limit: AdviceLimit
    """The limit that it is by."""
    usedPercent: int
    """What is used and held of the limit, in percent, rounded down; at most 1000000."""


class Alert(TypedDict):
    """A limit that reached thresholds."""

    assignmentId: str
    """The limit."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    entityId: str
    """The entity."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    label: str
    """Tells limits of one entity and capability apart; empty without."""
    thresholds: List[int]
    """In percent of the limit."""


class Binding(TypedDict):
    """The limit that refuses, with its figures."""

    assignmentId: NotRequired[str]
    """The limit."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    currentUsage: Number
    """What was used in the current window."""
    defaultOf: NotRequired[DefaultOf]
    """The default that the limit is by; absent when it is the entity's own."""
    enforcement: NotRequired[Literal["hard", "soft"]]
    """hard refuses at the limit; soft grants, and reports and alerts."""
    entityId: Optional[str]
    """The entity."""
    entityTypeId: NotRequired[str]
    """The entity's type."""
    exceeded: NotRequired[bool]
    """By how much a soft limit would be passed."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    isGranted: NotRequired[bool]
    """Whether it is granted."""
    label: NotRequired[str]
    """Tells limits of one entity and capability apart; empty without."""
    remaining: Optional[Number]
    """What is left; null: there is no limit."""
    requested: NotRequired[Number]
    """What was asked for."""
    reserved: Number
    """What open reservations hold."""
    resetsAt: Optional[str]
    """When the window ends and usage starts at 0 again."""
    scopeEntityIds: NotRequired[List[str]]
    """The limit counts only what names these entities, too."""
    source: Literal["ENTITY", "CUSTOMER", "CREDITS"]
    """Whose limit it is: an entity's, the customer's, or the pool of credits."""
    usageLimit: Optional[Number]
    """The limit; null: there is none."""


class CapabilityAmount(TypedDict):
    """How much of one feature or currency."""

    amount: Number
    """How much, in units of the capability."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""


class Cost(TypedDict):
    """An amount of a currency."""

    amount: Number
    """How much, in units of the capability."""
    currencyId: str
    """The credit currency. Excludes featureId."""


class CreditBalance(TypedDict):
    """A customer's pool of a currency."""

    consumed: NotRequired[Number]
    """What this request took from the pool."""
    currencyId: str
    """The credit currency. Excludes featureId."""
    currentUsage: Number
    """All that was consumed."""
    timestamp: str
    """When."""
    usageLimit: Number
    """All that was granted, less what lapsed."""
    usagePeriodEnd: Optional[str]
    """When the next grant that has credits left expires."""


class Node(TypedDict):
    """A limit that applies, with its figures."""

    assignmentId: str
    """The limit."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    currentUsage: Number
    """What was used in the current window."""
    defaultOf: NotRequired[DefaultOf]
    """The default that the limit is by; absent when it is the entity's own."""
    enforcement: Literal["hard", "soft"]
    """hard refuses at the limit; soft grants, and reports and alerts."""
    entityId: str
    """The entity."""
    entityTypeId: str
    """The entity's type."""
    exceeded: bool
    """usage + held + requested is above the limit, hard or soft."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    isGranted: bool
    """Whether it is granted."""
    label: str
    """Tells limits of one entity and capability apart; empty without."""
    remaining: Optional[Number]
    """What is left; null: there is no limit."""
    requested: Number
    """What was asked for."""
    reserved: Number
    """Held by open reservations."""
    resetsAt: str
    """When the window ends and usage starts at 0 again."""
    scopeEntityIds: List[str]
    """The limit counts only what names these entities, too."""
    usageLimit: Optional[Number]
    """With active boosts; null is unlimited."""


class Tokens(TypedDict):
    """Tokens by kind. A token is of one kind alone."""

    cache_read: Number
    """Found in the provider's cache."""
    cache_read_audio: NotRequired[Number]
    """Sound in the prompt, found in the provider's cache."""
    cache_write: Number
    """Put into the cache for its usual time."""
    cache_write_1h: Number
    """Put into the cache for an hour."""
    citation: NotRequired[Number]
    """Of sources that a search model read."""
    input: Number
    """Neither read from a cache nor written to one."""
    input_audio: NotRequired[Number]
    """Sound in the prompt, not from a cache."""
    input_image: NotRequired[Number]
    """Pictures in the prompt, not from a cache."""
    output: Number
    """Without reasoning."""
    output_audio: NotRequired[Number]
    """Sound that was made."""
    output_image: NotRequired[Number]
    """Pictures that were made."""
    output_video: NotRequired[Number]
    """Video that was made."""
    reasoning: Number
    """Thinking that is charged as output."""


class CheckCurrency(TypedDict):
    """The currency that a check is about."""

    currencyId: str
    """The credit currency. Excludes featureId."""
    description: NotRequired[str]
    """A text for people; empty or null clears it."""
    displayName: str
    """A name for people."""
    metadata: NotRequired[Mapping[str, str]]
    """Texts of yours; an empty text deletes its key."""
    unitPlural: NotRequired[str]
    """The name of several units."""
    unitSingular: NotRequired[str]
    """The name of one unit."""


class Frozen(TypedDict):
    """A freeze: all that would be granted below it is denied."""

    entityId: Optional[str]
    """The frozen entity; null: the customer is frozen, or an entity that an access token may not see."""
    frozenAt: str
    """When it was frozen."""
    reason: str
    """Why it was frozen, as who froze it said."""


class Estimate(TypedDict):
    """What usage would cost in a currency."""

    balanceAfterEstimate: Number
    """What would be left of the pool."""
    breakdown: List[EstimateItem]
    """Its parts, by feature."""
    currencyId: str
    """The credit currency. Excludes featureId."""
    currentBalance: Number
    """What is in the pool."""
    estimatedCost: Number
    """What it would cost."""
    wouldOverdraft: bool
    """Never when the currency is not prepaid."""


class Event(TypedDict):
    """Something that happened, which meters turn into usage."""

    cost: List[Cost]
    """What of that are costs."""
    duplicate: bool
    """Whether this was recorded before: nothing is counted twice."""
    reservationId: NotRequired[str]
    """The reservation that it ended."""
    tokens: NotRequired[Tokens]
    """Tokens by kind, as the event says, also those that no meter reads; of a duplicate none."""
    used: List[CapabilityAmount]
    """What was recorded now of each feature and currency; of a duplicate nothing."""
    warnings: NotRequired[List[str]]
    """What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one."""


class ExplainedGate(TypedDict):
    """A limit of the customer as a whole in an explanation."""

    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    currentUsage: Number
    """What was used in the current window."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    fits: bool
    """usage + held + requested is within the limit, hard or soft."""
    requested: Number
    """What was asked for."""
    reserved: Number
    """What open reservations hold."""
    resetsAt: Optional[str]
    """When the window ends and usage starts at 0 again."""
    source: Literal["CUSTOMER", "CREDITS"]
    """Whose limit it is: an entity's, the customer's, or the pool of credits."""
    usageLimit: Number
    """The limit; null: there is none."""
    wouldNeed: Number
    """By how much the limit would have to be higher."""


class ExplainedNode(TypedDict):
    """A limit of an entity in an explanation."""

    assignmentId: str
    """The limit."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    currentUsage: Number
    """What was used in the current window."""
    defaultOf: NotRequired[DefaultOf]
    """The default that the limit is by; absent when it is the entity's own."""
    enforcement: Literal["hard", "soft"]
    """hard refuses at the limit; soft grants, and reports and alerts."""
    entityId: str
    """The entity."""
    entityTypeId: str
    """The entity's type."""
    exceeded: bool
    """usage + held + requested is above the limit, hard or soft."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    fits: bool
    """usage + held + requested is within the limit, hard or soft."""
    isGranted: bool
    """Whether it is granted."""
    label: str
    """Tells limits of one entity and capability apart; empty without."""
    remaining: Optional[Number]
    """What is left; null: there is no limit."""
    requested: Number
    """What was asked for."""
    reserved: Number
    """Held by open reservations."""
    resetsAt: str
    """When the window ends and usage starts at 0 again."""
    scopeEntityIds: List[str]
    """The limit counts only what names these entities, too."""
    usageLimit: Optional[Number]
    """With active boosts; null is unlimited."""
    wouldNeed: Number
    """By how much the limit would have to be higher."""


class CheckFeature(TypedDict):
    """The feature that a check is about."""

    displayName: str
    """A name for people."""
    featureStatus: str
    """Kept for you; Bursar does not read it."""
    featureType: str
    """Always NUMBER: features are metered."""
    id: str
    """Names it."""


class ForecastRow(TypedDict):
    """A limit with what is expected of it."""

    archivedAt: Optional[str]
    """Since when it is archived; null: it is not."""
    assignmentId: Optional[str]
    """The limit."""
    cadence: Optional[str]
    """How long a window is: PT5M, PT1H, P1D, P1W, P1M, P1Y."""
    childCount: int
    """How many entities are directly below."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    currentUsage: Optional[Number]
    """What was used in the current window."""
    defaultOf: NotRequired[DefaultOf]
    """The default that the limit is by; absent when it is the entity's own."""
    displayName: Optional[str]
    """A name for people."""
    effective: Optional[Effective]
    """With all that limits it; null in tree mode without effectiveFeatureId and effectiveCurrencyId. What changes above sends no event for the rows below."""
    enforcement: Optional[Literal["hard", "soft"]]
    """hard refuses at the limit; soft grants, and reports and alerts."""
    entityId: str
    """The entity."""
    entityTypeId: str
    """The entity's type."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    forecast: Forecast
    """What is expected until its period ends."""
    frozen: NotRequired[Frozen]
    """What stops it: the freeze of the entity itself, of the nearest frozen one above it, or of the customer."""
    label: Optional[str]
    """Tells limits of one entity and capability apart; empty without."""
    parentId: Optional[str]
    """The entity above; null: it is a root."""
    refused: Optional[Refusal]
    """The newest refusal by this hard limit, in its period, for which too little is still left; of those that this node remembers. The stream tells new ones as events of the name refused: {assignmentId, at, requested}."""
    remaining: Optional[Number]
    """What is left; null: there is no limit."""
    reserved: Optional[Number]
    """What open reservations hold."""
    scopeEntityIds: List[str]
    """The limit counts only what names these entities, too."""
    status: Optional[Literal["ok", "warning", "exceeded"]]
    """Of this limit by itself."""
    usageLimit: Optional[Number]
    """The limit; null: there is none."""
    usagePeriodEnd: Optional[str]
    """When the current window ends, exclusive."""
    usagePeriodStart: Optional[str]
    """When the current window began."""
    utilization: Optional[Number]
    """usage ÷ limit with boosts; 1 for limit 0; null when unlimited."""


class Marker(TypedDict):
    """An instant that a chart marks."""

    timestamp: str
    """When."""
    type: Literal["PERIODIC_RESET", "SUBSCRIPTION_CHANGE_RESET"]
    """Which kind it is."""


class Series(TypedDict):
    """Usage over time, of one group."""

    points: List[Point]
    """By time, oldest first."""
    tags: List[Tag]
    """What the group has in common."""
    untold: bool
    """Usage of which it is not known what entities it named: it was recorded before that was kept, or on more paths through the tree than are told apart."""


class Pagination(TypedDict):
    """Cursors of the pages beside this one."""

    next: Optional[str]
    """The cursor of the page behind this one; null: there is none."""
    prev: Optional[str]
    """The cursor of the page ahead of this one; null: there is none."""


class Denial(TypedDict):
    """A request that was refused."""

    binding: Optional[Binding]
    """What refuses first, with its figures; null when nothing does."""
    chains: List[List[Node]]
    """The limits on its path, with their figures when it was denied."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    dimensions: Mapping[str, Union[str, Number, bool]]
    """Properties of the usage. Those that are attribution keys name the entities that it counts on."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    frozen: NotRequired[Frozen]
    """What denied where a freeze did; binding is null then."""
    id: str
    """Names it."""
    kind: Literal["CHECK", "CONSUME", "RESERVE"]
    """Which kind it is."""
    reason: str
    """Why."""
    requestId: str
    """The X-Request-Id of the request."""
    requested: Number
    """What was asked for."""
    timestamp: str
    """When."""


class AllocationProblem(TypedDict):
    """The limit that a write would have shared out twice."""

    allocated: Number
    """What the limits below it would add up to."""
    assignmentId: str
    """The strict limit."""
    available: Number
    """What would fit."""
    entityId: str
    """The entity."""
    usageLimit: Optional[Number]
    """The limit; null: there is none."""


class Learned(TypedDict):
    """What a reservation took from calls before it."""

    capped: bool
    """There was room for no more than that."""
    of: Optional[str]
    """The entity whose calls they were; null: the customer's."""
    quantile: str
    """As it was asked for."""
    samples: int
    """Calls that it is taken from, at most 64; 0: there were fewer than 10, and maxTokens is held."""
    tokens: int
    """Of output, that are held."""


class AdviceLimit(TypedDict):
    """The limit that an advice is by: the hard limit that has room for the fewest more of what was decided about."""

    assignmentId: NotRequired[str]
    """The limit."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    entityId: Optional[str]
    """The entity."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    label: NotRequired[str]
    """Tells limits of one entity and capability apart; empty without."""
    resetsAt: Optional[str]
    """When the window ends and usage starts at 0 again."""
    source: Literal["ENTITY", "CUSTOMER", "CREDITS"]
    """Whose limit it is: an entity's, the customer's, or the pool of credits."""
    usageLimit: Number
    """The limit; null: there is none."""


class Degrade(TypedDict):
    """What a request is to be changed to."""

    atPercent: int
    """Of the step."""
    entityId: str
    """Whose policy says so."""
    maxTokens: NotRequired[int]
    """The most tokens of output to ask for; absent: as it is."""
    message: NotRequired[str]
    """For whoever goes on."""
    model: NotRequired[str]
    """The model to call; absent: as it is."""
    tools: NotRequired[bool]
    """false: call without tools; absent: as it is."""


class DefaultOf(TypedDict):
    """The default that a limit is by."""

    defaultId: str
    """The default limit."""
    entityId: Optional[str]
    """Below this entity; null: the customer's default, or that of an entity which an access token may not see."""
    entityTypeId: str
    """The type of the entities that the default is for."""
    metadata: NotRequired[Mapping[str, str]]
    """The metadata that the entity has and the default asks for."""


class EstimateItem(TypedDict):
    """What usage of a feature would cost."""

    cost: Number
    """What it costs."""
    featureId: str
    """The feature. Excludes currencyId."""
    warningCode: Optional[Literal["UNSUPPORTED_AGGREGATION"]]
    """Why there is no price; null: there is one."""


class Effective(TypedDict):
    """How a row stands with all that limits it, above it and on it."""

    by: Optional[EffectiveLimit]
    """What blocks, else what leaves least; null: nothing limits."""
    remaining: Optional[Number]
    """What is still granted at most, by the hard limits and the pool of the capability; null: no end. A token is told of what it may see."""
    status: Literal["ok", "warning", "exceeded", "blocked"]
    """blocked: nothing more is granted now, by whichever limit or pool. Else the row's own status; warning also where another hard limit leaves less and warns."""


class Forecast(TypedDict):
    """What is expected of a limit until its period ends, from the usage of the weeks before."""

    expected: Optional[Number]
    """What is expected to be used when the period ends; null: it ends more than a year from now."""
    high: Optional[Number]
    """The high end: of ten ends, about one is above."""
    low: Optional[Number]
    """The low end of what is expected: of ten ends, about one is below."""
    perDay: Optional[Number]
    """Expected usage for each day that is left."""
    refused: Optional[Literal["HISTORY_TOO_SHORT", "WINDOW_TOO_SHORT", "SCOPED", "NOT_ADDITIVE", "TOO_MUCH_TO_READ", "LIMIT_GONE"]]
    """Why nothing is expected; null: it is. A limit that is used up has runsOutAt all the same."""
    runsOutAt: Optional[str]
    """When nothing is expected to be left: now, when nothing is; null: not in this period."""
    runsOutEarliest: Optional[str]
    """The same at the high end of what is expected."""
    runsOutLatest: Optional[str]
    """The same at the low end of what is expected."""
    step: Optional[Literal["HOUR", "DAY"]]
    """What it is reckoned in."""
    steps: int
    """Of how many whole days or hours the usage was known."""


class Refusal(TypedDict):
    """A request that a limit refused lately."""

    at: str
    """When."""
    requested: Number
    """What was asked for."""


class Point(TypedDict):
    """A value at a time."""

    isResetPoint: bool
    """Whether a window of the customer begins here."""
    timestamp: str
    """When."""
    value: Number
    """The value."""


class Tag(TypedDict):
    """A dimension and its value."""

    key: str
    """The name of the dimension."""
    value: str
    """The value."""


class EffectiveLimit(TypedDict):
    """What limits a row most."""

    assignmentId: Optional[str]
    """The limit."""
    cadence: Optional[str]
    """How long a window is: PT5M, PT1H, P1D, P1W, P1M, P1Y."""
    currencyId: NotRequired[str]
    """The credit currency. Excludes featureId."""
    displayName: Optional[str]
    """Of the entity."""
    entityId: Optional[str]
    """The entity."""
    featureId: NotRequired[str]
    """The feature. Excludes currencyId."""
    label: Optional[str]
    """Tells limits of one entity and capability apart; empty without."""
    reason: NotRequired[str]
    """Of FROZEN: why."""
    resetsAt: Optional[str]
    """When the window ends and usage starts at 0 again."""
    scopeEntityIds: List[str]
    """The limit counts only what names these entities, too."""
    source: Literal["ENTITY", "CUSTOMER", "CREDITS", "FROZEN", "ABOVE"]
    """FROZEN: a freeze of the entity or, with entityId null, of the customer. ABOVE: something that a token may not see; all else is null then."""
