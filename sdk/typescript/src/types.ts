// Written by types.mjs from httpapi/openapi.json; not by hand.

/** What each route takes and answers. What comes wrapped in `data` is told without it. */
export interface Routes {
  "GET /customers/{customerId}/entitlements/check": { query: CheckQuery; body: undefined; reply: FeatureCheck | CreditCheck };
  "POST /customers/{customerId}/entitlements/checks": { query: undefined; body: ChecksIn; reply: (FeatureCheck | CreditCheck)[] };
  "POST /customers/{customerId}/reservations": { query: undefined; body: ReserveIn; reply: Reservation };
  "GET /customers/{customerId}/reservations": { query: ReservationsQuery; body: undefined; reply: PageOfReservation };
  "GET /customers/{customerId}/reservations/{reservationId}": { query: undefined; body: undefined; reply: Reservation };
  "POST /customers/{customerId}/reservations/{reservationId}/commit": { query: undefined; body: CommitIn; reply: Reservation };
  "POST /customers/{customerId}/reservations/{reservationId}/extend": { query: undefined; body: ExtendIn; reply: Reservation };
  "POST /customers/{customerId}/reservations/{reservationId}/release": { query: undefined; body: undefined; reply: Reservation };
  "POST /customers/{customerId}/consume": { query: undefined; body: ConsumeIn; reply: Consumption };
  "POST /events": { query: undefined; body: EventsIn; reply: Events };
  "POST /events/estimate": { query: undefined; body: EventEstimateIn; reply: Estimates };
  "POST /usage": { query: undefined; body: UsageIn; reply: UsageResult[] };
  "POST /usage/estimate": { query: undefined; body: UsageEstimateIn; reply: Estimates };
  "GET /customers/{customerId}/usage": { query: UsageQuery; body: undefined; reply: History };
  "GET /customers/{customerId}/governance": { query: BudgetsQuery; body: undefined; reply: Tree };
  "GET /customers/{customerId}/forecast": { query: ForecastQuery; body: undefined; reply: Forecasts };
  "GET /customers/{customerId}/denials": { query: DenialsQuery; body: undefined; reply: PageOfDenial };
  "POST /customers/{customerId}/explain": { query: undefined; body: ExplainIn; reply: Explain };
  "POST /customers/{customerId}/boost-requests": { query: undefined; body: BoostRequestIn; reply: BoostRequest };
  "GET /customers/{customerId}/boost-requests": { query: BoostRequestsQuery; body: undefined; reply: PageOfBoostRequest };
  "GET /customers/{customerId}/boost-requests/{boostRequestId}": { query: undefined; body: undefined; reply: BoostRequest };
}

/** Check an entitlement: whether usage is granted */
export interface CheckQuery {
  /** Exactly one of featureId and currencyId. */
  featureId?: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** How much is asked for. */
  requestedUsage?: number;
  /** dimensions[key]=value. Those that name entities resolve to the limits to check. */
  dimensions?: Record<string, string | number | boolean>;
  /** Not for metered features: denied when not empty. */
  requestedValues?: string[];
  /** There are no resources: denied when not empty. */
  resourceId?: string;
  /** What names no entity is denied with EntityNotFound: an id that is unknown and, of a request, dimensions that name none at all. */
  strict?: boolean;
}

/** List reservations */
export interface ReservationsQuery {
  /** A cursor: the page behind it. Excludes before. */
  after?: string;
  /** A cursor: the page ahead of it. Excludes after. */
  before?: string;
  /** Rows per page. */
  limit?: number;
  /** How it stands. */
  status?: "OPEN" | "COMMITTED" | "RELEASED" | "EXPIRED";
  /** Only those of this entity and below it. */
  entityId?: string;
}

/** Get customer usage: over time */
export interface UsageQuery {
  /** Exactly one of featureId and currencyId. */
  featureId?: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** The beginning, inclusive. */
  startDate: string;
  /** Now when left out. */
  endDate?: string;
  /** The length of a point. */
  granularity?: "HOUR" | "DAY" | "WEEK" | "MONTH";
  /** IANA name; the customer's when left out. */
  timezone?: string;
  /** Dimension keys, attribution keys, $featureId. */
  groupBy?: string[];
}

/** Get the governance tree */
export interface BudgetsQuery {
  /** Without features and currencies: one row per entity. */
  featureIds?: string[];
  /** Only limits on these currencies. */
  currencyIds?: string[];
  /** Only entities of these types. */
  entityTypeIds?: string[];
  /** What the key may do, or which limits are meant. */
  scope?: "all" | "nodeWide" | "scoped";
  /** Only rows whose usage is at least this part of their limit. */
  minUtilization?: number;
  /** Part of the id or the display name, in any case. */
  entityIdSearch?: string;
  /** Only this subtree, itself included. */
  rootEntityId?: string;
  /** Levels below the roots. */
  depth?: number;
  /** Only direct children. */
  parentId?: string;
  /** Archived ones, too. */
  includeArchived?: boolean;
  /** Tells limits of one entity and capability apart; empty without. */
  label?: string;
  /** What rows are sorted by. */
  sortBy?: "utilization" | "currentUsage" | "usageLimit" | "scopeSize" | "id" | "createdAt";
  /** Which end comes first. */
  order?: "desc" | "asc";
  /** A cursor: the page behind it. */
  after?: string;
  /** Rows per page. */
  limit?: number;
  /** In tree mode: the capability that effective is about, this or effectiveCurrencyId. */
  effectiveFeatureId?: string;
  /** In tree mode: the capability that effective is about, this or effectiveFeatureId. */
  effectiveCurrencyId?: string;
}

/** List forecasts: when limits run out, the soonest first */
export interface ForecastQuery {
  /** Exactly one of featureId and currencyId. */
  featureId?: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Only limits of this cadence, such as P1M. */
  cadence?: string;
  /** Only entities of these types. */
  entityTypeIds?: string[];
  /** Only this subtree, itself included. */
  rootEntityId?: string;
  /** Levels below the roots: 0 with rootEntityId is that entity alone. */
  depth?: number;
  /** Tells limits of one entity and capability apart; empty without. */
  label?: string;
  /** So many limits: those that are the fastest to use themselves up, by what their windows have used so far; those with scope entities come last, those of 0 not at all. */
  limit?: number;
}

/** List denials: newest first */
export interface DenialsQuery {
  /** A cursor: the page behind it. Excludes before. */
  after?: string;
  /** A cursor: the page ahead of it. Excludes after. */
  before?: string;
  /** Rows per page. */
  limit?: number;
  /** The first instant. */
  startDate?: string;
  /** The end, exclusive; now when left out. */
  endDate?: string;
  /** Only of requests that named this entity or, as the tree is now, one below it. */
  entityId?: string;
  /** Only of requests about this feature. Excludes currencyId. */
  featureId?: string;
  /** Only of requests about this currency. */
  currencyId?: string;
  /** Only those that this limit denied, as binding shows; it may have been deleted since. */
  assignmentId?: string;
  /** Only those with this reason. */
  reason?: "BudgetExceeded" | "RequestedUsageExceedingLimit" | "InsufficientCredits" | "EntityIsFrozen" | "CustomerIsFrozen" | "EntityNotFound" | "Ungoverned" | "Unknown";
}

/** List boost requests: the newest first */
export interface BoostRequestsQuery {
  /** A cursor: the page behind it. Excludes before. */
  after?: string;
  /** A cursor: the page ahead of it. Excludes after. */
  before?: string;
  /** Rows per page. */
  limit?: number;
  /** How it stands. */
  status?: "OPEN" | "APPROVED" | "DECLINED" | "WITHDRAWN" | "EXPIRED";
  /** The entity. */
  entityId?: string;
}

/** Whether a feature may be used. */
export interface FeatureCheck {
  /** Of EntityNotFound and Ungoverned: who was named, and what to do. */
  accessDeniedDetail?: string;
  /** Why it is denied; null when it is granted. */
  accessDeniedReason: string | null;
  /** How to go on, by what is used and held without this request; null where no hard limit counts. */
  advice: Advice | null;
  /** What refuses first, with its figures; null when nothing does. */
  binding: Binding | null;
  /** Left out when the request has no dimensions. */
  chains?: LimitNode[][];
  /** Of a priced feature: what the request costs in each currency. */
  costs?: Cost[];
  /** What was used in the current window. */
  currentUsage?: number;
  /** When the customer's own limit changed last. */
  entitlementUpdatedAt?: string;
  /** The feature. */
  feature?: CheckFeature;
  /** What denied where a freeze did, whatever the limits say; binding is null then. */
  frozen?: Frozen;
  /** Whether there is no limit. */
  hasUnlimitedUsage?: boolean;
  /** Whether it is granted. */
  isGranted: boolean;
  /** How often usage starts at 0 again; null: never. */
  resetPeriod?: string | null;
  /** Which kind it is. */
  type: "FEATURE";
  /** With the reason Unknown: currencies that the feature has a price in, but not for these dimensions. */
  unpriced?: string[];
  /** Of the customer's promotional entitlement; null is unlimited. */
  usageLimit?: number | null;
  /** An instant at which a window begins. */
  usagePeriodAnchor?: string;
  /** When the current window ends, exclusive. */
  usagePeriodEnd?: string;
  /** With a reset period, as the end and the anchor. */
  usagePeriodStart?: string;
  /** When time alone changes the answer next: the period or the entitlement ends. */
  validUntil?: string;
  /** What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one. */
  warnings?: string[];
}

/** Whether credits may be spent. */
export interface CreditCheck {
  /** Of EntityNotFound and Ungoverned: who was named, and what to do. */
  accessDeniedDetail?: string;
  /** Why it is denied; null when it is granted. */
  accessDeniedReason: string | null;
  /** How to go on, by what is used and held without this request; null where no hard limit counts. */
  advice: Advice | null;
  /** What refuses first, with its figures; null when nothing does. */
  binding: Binding | null;
  /** Left out when the request has no dimensions. */
  chains?: LimitNode[][];
  /** The currency. */
  currency: CheckCurrency;
  /** What was used in the current window. */
  currentUsage: number;
  /** What denied where a freeze did, whatever the limits say; binding is null then. */
  frozen?: Frozen;
  /** Whether it is granted. */
  isGranted: boolean;
  /** null when no pool gates. */
  remaining: number | null;
  /** What open reservations hold. */
  reserved: number;
  /** Which kind it is. */
  type: "CREDIT";
  /** Of the pool: all that was granted; null when no pool gates. */
  usageLimit: number | null;
  /** When the next grant that has credits left expires, as validUntil. */
  usagePeriodEnd?: string;
  /** When usage was counted last. */
  usageUpdatedAt: string;
  /** When the answer may change by itself. */
  validUntil?: string;
  /** What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one. */
  warnings?: string[];
}

/** Questions that are answered from one snapshot. */
export interface ChecksIn {
  /** Questions, or what was looked at. */
  checks: CheckItem[];
}

/** An amount to hold. */
export interface ReserveIn {
  /** Required, unless eventName is given. */
  amount?: number;
  /** Of an event: your id of the call that it is. Whatever gives the same one with the same eventName is of that call, which counts once. */
  callId?: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions?: Record<string, string | number | boolean>;
  /** In place of featureId and amount: all that the event uses of every feature and currency, as POST /events would record it. */
  eventName?: string;
  /** Exactly one of featureId, currencyId and eventName. */
  featureId?: string;
  /** Of an event: p50 to p99, in place of maxTokens or beside it. As many tokens of output are held as so many of 100 of the last calls had that were reserved for this event and model: of what the dimensions name, or the nearest above that has had 10 or more. maxTokens is then the most, and what is held without such a history. Where that does not fit, a reservation holds the largest amount that does, and an explanation shows the denial. */
  hold?: string;
  /** Required, here or as the Idempotency-Key header. */
  idempotencyKey?: string;
  /** Of an event: characters of input, in place of inputTokens. 3 of them count as a token. */
  inputCharacters?: number;
  /** Of an event: tokens of input. */
  inputTokens?: number;
  /** Of an event: as many tokens of output as there can be, reasoning included. Text and reasoning are each held for all of them, and money for the dearer. Other kinds of output are held where dimensions or properties name them. */
  maxTokens?: number;
  /** What becomes of the amount when nobody closes the reservation in time. Default: release. */
  onExpire?: "release" | "settle";
  /** Of an event: further properties, such as the measures that meters of your own read. */
  properties?: Record<string, string | number | boolean>;
  /** What names no entity is denied with EntityNotFound: an id that is unknown and, of a request, dimensions that name none at all. */
  strict?: boolean;
  /** Of an event: tokens by kind, in place of usage. A kind that is left out is 0. */
  tokens?: TokensIn;
  /** How long it is held. Default: 300. */
  ttlSeconds?: number;
  /** Of an event: the usage object of a model provider's reply, as it came. */
  usage?: Record<string, unknown>;
}

/** An amount that is held. */
export interface Reservation {
  /** How to go on, with what this one holds or used; null where no hard limit counts. */
  advice: Advice | null;
  /** Of an event: thresholds that its usage reached; in the reply to the commit alone. */
  alerts?: Alert[];
  /** Left out of an event. */
  amount?: number;
  /** The limits on its path, and their figures when this was answered. */
  chains: LimitNode[][];
  /** When it was committed, released or expired. */
  closedAt: string | null;
  /** What was used in the end; null until it is committed. */
  committedAmount: number | null;
  /** Held while it is open, then charged; none after a release. */
  cost: Cost[];
  /** When it was made. */
  createdAt: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** The customer. */
  customerId: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions: Record<string, string | number | boolean>;
  /** Whether this was recorded before: nothing is counted twice. */
  duplicate: boolean;
  /** Of an event: nobody said what was used, and what was held is recorded until somebody does. */
  estimated?: boolean;
  /** The name of the event, by which meters find it. */
  eventName?: string;
  /** When it ends. */
  expiresAt: string;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** Of an event: what is held of each feature and currency, or was until it ended. */
  held?: CapabilityAmount[];
  /** Names it. */
  id: string;
  /** Whether it was committed after it had expired. */
  lateCommit: boolean;
  /** Of an event with hold: what was taken from calls before; in the reply that made the reservation alone. */
  learned?: Learned;
  /** What happens when it expires: release frees the amount, settle counts it as used. */
  onExpire: "release" | "settle";
  /** How much more was committed than held; left out of an event. */
  overshoot?: number;
  /** How it stands. */
  status: "OPEN" | "COMMITTED" | "RELEASED" | "EXPIRED";
  /** Of an event: the hard limit that has room for the fewest more of such events. */
  tightest?: Binding;
  /** Of an event: tokens by kind, as expected while it is open, then as recorded. */
  tokens?: Tokens;
  /** Of an event: what was recorded of each feature and currency. */
  used?: CapabilityAmount[];
  /** Of the request that made it; in the reply to that alone. */
  warnings?: string[];
}

/** A page of a list. An amount that is held. */
export interface PageOfReservation {
  /** The rows. */
  data: Reservation[];
  /** The cursors of the pages beside this one. */
  pagination: Pagination;
}

/** What was used. */
export interface CommitIn {
  /** Required, unless the reservation is of an event. All of it is recorded, even above the hold. */
  amount?: number;
  /** Of an event: your id of the call, where the reservation was not given it. If an event without reservation counted that call already, the reservation ends without usage of its own. */
  callId?: string;
  /** Of an event: the model that answered, where it is another one. It is priced as when the reservation was made. */
  model?: string;
  /** Of an event: further properties, such as the measures that meters of your own read. */
  properties?: Record<string, string | number | boolean>;
  /** Of an event: tokens by kind, in place of usage. A kind that is left out is 0. */
  tokens?: TokensIn;
  /** Of an event: the usage object of a model provider's reply, as it came. */
  usage?: Record<string, unknown>;
}

/** How much longer to hold. */
export interface ExtendIn {
  /** Of an event: how many more are expected. They are held on every limit, or refused as a reservation is; then what was held stays. */
  tokens?: TokensIn;
  /** From now. Required, unless tokens are given. */
  ttlSeconds?: number;
}

/** Usage that is checked and recorded in one step. */
export interface ConsumeIn {
  /** Required, unless eventName is given. */
  amount?: number;
  /** Of an event: your id of the call that it is. Whatever gives the same one with the same eventName is of that call, which counts once. */
  callId?: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions?: Record<string, string | number | boolean>;
  /** In place of featureId and amount: all that the event uses of every feature and currency, as POST /events would record it. */
  eventName?: string;
  /** Exactly one of featureId, currencyId and eventName. */
  featureId?: string;
  /** Required, here or as the Idempotency-Key header. */
  idempotencyKey?: string;
  /** Of an event: further properties, such as the measures that meters of your own read. */
  properties?: Record<string, string | number | boolean>;
  /** What names no entity is denied with EntityNotFound: an id that is unknown and, of a request, dimensions that name none at all. */
  strict?: boolean;
  /** Of an event: tokens by kind, in place of usage. A kind that is left out is 0. */
  tokens?: TokensIn;
  /** Of an event: the usage object of a model provider's reply, as it came. */
  usage?: Record<string, unknown>;
}

/** Usage that is checked and recorded in one step. */
export interface Consumption {
  /** How to go on, with what was consumed here; null where no hard limit counts. */
  advice: Advice | null;
  /** Of an event: thresholds that it reached. */
  alerts?: Alert[];
  /** Left out of an event. */
  amount?: number;
  /** The limits that apply, from each entity that the dimensions name up to its root. */
  chains: LimitNode[][];
  /** What it costs. */
  cost: Cost[];
  /** The customer's pool afterwards; null if none was touched. */
  credit: CreditBalance | null;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Whether this was recorded before: nothing is counted twice. */
  duplicate: boolean;
  /** The name of the event, by which meters find it. */
  eventName?: string;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** Names it. */
  id: string;
  /** Of an event: the hard limit that has room for the fewest more of such events. */
  tightest?: Binding;
  /** When. */
  timestamp: string;
  /** Of an event: tokens by kind. */
  tokens?: Tokens;
  /** Of an event: what was recorded of each feature and currency. */
  used?: CapabilityAmount[];
  /** What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one. */
  warnings?: string[];
}

/** Events. */
export interface EventsIn {
  /** Events. */
  events: EventIn[];
}

/** Events. */
export interface Events {
  /** What each event did, in their order. */
  events: EventResult[];
  /** What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one. */
  warnings?: string[];
}

/** An event that has not happened. */
export interface EventEstimateIn {
  /** The customer. */
  customerId: string;
  /** gen_ai.* attributes become token counts, too. */
  dimensions?: Record<string, string | number | boolean>;
  /** The name of the event, by which meters find it. */
  eventName: string;
  /** The usage object of a model provider's reply, or the reply itself, as it came. It becomes the dimensions tokens.input, tokens.cache_read, tokens.cache_write, tokens.cache_write_1h, tokens.output, tokens.reasoning and those of sound, pictures, searches and so on, unless they are given. */
  usage?: Record<string, unknown>;
}

/** What usage would cost. */
export interface Estimates {
  /** By currency. */
  estimates: Estimate[];
  /** FEATURE_NOT_FOUND or FEATURE_NOT_CREDIT_BASED when nothing has a price, FEATURE_NOT_CREDIT_BASED:feature for one that has none; else as the report would have them. */
  warnings: string[];
}

/** Usage that was reported. */
export interface UsageIn {
  /** What was used. */
  usages: UsageItem[];
}

/** Usage that was reported. */
export interface UsageResult {
  /** When it was made. */
  createdAt: string;
  /** The customer's pool afterwards; null if none was touched. */
  credit: CreditBalance | null;
  /** What was used in the current window. */
  currentUsage: number | null;
  /** The customer. */
  customerId: string;
  /** Whether this was recorded before: nothing is counted twice. */
  duplicate: boolean;
  /** The feature. Excludes currencyId. */
  featureId: string;
  /** Names it. */
  id: string;
  /** When the window ends. */
  nextResetDate: string | null;
  /** Always null: there are no resources. */
  resourceId: string | null;
  /** When. */
  timestamp: string;
  /** When the current window ends, exclusive. */
  usagePeriodEnd: string | null;
  /** When the current window began. */
  usagePeriodStart: string | null;
  /** The value. */
  value: number;
  /** What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one. */
  warnings: string[];
}

/** Usage that has not happened. */
export interface UsageEstimateIn {
  /** The customer. */
  customerId: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions?: Record<string, string | number | boolean>;
  /** The feature. Excludes currencyId. */
  featureId: string;
  /** DELTA adds the value, SET makes it the level. Default: DELTA. */
  updateBehavior?: "DELTA" | "SET";
  /** Below 0 only for FLUCTUATING features. */
  value: number;
}

/** Usage over time. */
export interface History {
  /** Where windows of the customer begin. */
  markers: Marker[];
  /** By group. */
  series: Series[];
  /** USAGE_NOT_TOLD_APART: a series has untold. DIMENSIONS_NOT_TOLD_APART: the customer has more combinations of dimensions than the 1,000 that are told apart; usage with further ones is in the series without them. */
  warnings: string[];
}

/** Rows of the governance tree. */
export interface Tree {
  /** The instant that the reply is true at. */
  asOf: string;
  /** The rows. */
  data: TreeRow[];
  /** The cursors of the pages beside this one. */
  pagination: TreePagination;
}

/** Limits with what is expected of them, those first that run out the soonest. */
export interface Forecasts {
  /** The instant that the reply is true at. */
  asOf: string;
  /** The rows. */
  data: ForecastRow[];
}

/** A page of a list. A request that was refused. */
export interface PageOfDenial {
  /** The rows. */
  data: Denial[];
  /** The cursors of the pages beside this one. */
  pagination: Pagination;
}

/** A decision, limit by limit. */
export interface ExplainIn {
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions?: Record<string, string | number | boolean>;
  /** In place of featureId, currencyId and requestedUsage: would a reservation hold all that the event may use? */
  eventName?: string;
  /** Exactly one of featureId and currencyId. */
  featureId?: string;
  /** Of an event: p50 to p99, in place of maxTokens or beside it. As many tokens of output are held as so many of 100 of the last calls had that were reserved for this event and model: of what the dimensions name, or the nearest above that has had 10 or more. maxTokens is then the most, and what is held without such a history. Where that does not fit, a reservation holds the largest amount that does, and an explanation shows the denial. */
  hold?: string;
  /** Of an event: characters of input, in place of inputTokens. 3 of them count as a token. */
  inputCharacters?: number;
  /** Of an event: tokens of input. */
  inputTokens?: number;
  /** Of an event: as many tokens of output as there can be, reasoning included. Text and reasoning are each held for all of them, and money for the dearer. Other kinds of output are held where dimensions or properties name them. */
  maxTokens?: number;
  /** Of an event: further properties, such as the measures that meters of your own read. */
  properties?: Record<string, string | number | boolean>;
  /** How much is asked for. Default: 1. */
  requestedUsage?: number;
  /** What names no entity is denied with EntityNotFound: an id that is unknown and, of a request, dimensions that name none at all. */
  strict?: boolean;
  /** Of an event: tokens by kind, in place of usage. A kind that is left out is 0. */
  tokens?: TokensIn;
  /** Of an event: the usage object of a model provider's reply, as it came. */
  usage?: Record<string, unknown>;
}

/** A decision, limit by limit. */
export interface Explain {
  /** As a check gives them; [] without dimensions. */
  chains: ExplainedNode[][];
  /** The decision, as a check would answer it. */
  decision: FeatureCheck | CreditCheck;
  /** Of the customer: the promotional entitlement of the feature, the pool of each currency. */
  gates: ExplainedGate[];
  /** The end of a window at which it would be granted if nothing else were used; null when it is granted now, or never by time alone. */
  grantedAfter: string | null;
  /** Of an access token with a root: only limits at and below it were asked, those above and the customer's own may still deny; the decision's figures of the customer are 0 and unlimited. Else null. */
  rootEntityId: string | null;
}

/** What somebody asked for: that a limit be raised for a time; and what became of it. */
export interface BoostRequestIn {
  /** By how much the limit is to be raised. */
  amount: number;
  /** The limit; or say entityId with featureId or currencyId. */
  assignmentId?: string;
  /** Where several limits are like that: of which cadence. The only one that is used up is taken; else 400 names them. */
  cadence?: string;
  /** The credit currency. Excludes featureId. The same beside assignmentId. */
  currencyId?: string;
  /** Whose limit. A spend token may leave it out: then it is one of those that it meets. */
  entityId?: string;
  /** Until when. The end of the limit's current window when left out. */
  expiresAt?: string;
  /** The feature. Excludes currencyId. Beside assignmentId it is that of the limit, else 400. */
  featureId?: string;
  /** Where several limits are like that: of which label. */
  label?: string;
  /** With a spend token: the model that would be called, whose limits it meets, too. */
  model?: string;
  /** Why. */
  reason?: string;
  /** Where several limits are like that: of which scope; [] is that without one. */
  scopeEntityIds?: string[];
}

/** What somebody asked for: that a limit be raised for a time; and what became of it. */
export interface BoostRequest {
  /** By how much the limit is to be raised. */
  amount: number;
  /** By how much that raises the limit. */
  approvedAmount: number | null;
  /** Until when it does, unless the boost is ended before. */
  approvedExpiresAt: string | null;
  /** The limit. */
  assignmentId: string;
  /** The boost that was made of it. */
  boostId: string | null;
  /** When it was made. */
  createdAt: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** When it was approved, declined or withdrawn by who asked; else null. */
  decidedAt: string | null;
  /** Who did that, as requestedBy says it. */
  decidedBy: string | null;
  /** The entity. */
  entityId: string;
  /** Until when. */
  expiresAt: string;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** The entity whose limit has as much less for it; null: none, or one that an access token does not see. */
  fundedBy: string | null;
  /** Names it. */
  id: string;
  /** What they said to it. */
  note: string | null;
  /** Why. */
  reason: string | null;
  /** Who asked: the subject of the access token, else the id of the key or token. */
  requestedBy: string;
  /** Of what is shown here; a write may say that it is based on it. */
  revision: string;
  /** WITHDRAWN also while the limit is gone or its entity archived; EXPIRED at expiresAt, or 7 days after it was made. */
  status: "OPEN" | "APPROVED" | "DECLINED" | "WITHDRAWN" | "EXPIRED";
}

/** A page of boost requests. */
export interface PageOfBoostRequest {
  /** The rows. */
  data: BoostRequest[];
  /** The cursors of the pages beside this one. */
  pagination: Pagination;
}

/** What went wrong (RFC 9457). */
export interface Problem {
  /** Of a denial (402): how to go on all the same, such as with what fits. What was asked for does not count. */
  advice?: Advice | null;
  /** With strict, the limits below may not add up to more than this one. */
  allocation?: AllocationProblem;
  /** The limit that refused (402). */
  binding?: Binding | null;
  /** The limits that apply, from each entity that the dimensions name up to its root. */
  chains?: LimitNode[][];
  /** Stable; branch on this. */
  code: string;
  /** With RevisionMismatch: what is there now, as a read of it shows it, where the request named an older revision. */
  conflicts?: ({ current: Record<string, unknown> | null; pointer: string })[];
  /** What is wrong and what to do. */
  detail: string;
  /** Each place that is wrong. */
  errors?: ({ code: string; detail: string; pointer: string })[];
  /** The freeze that denies, whatever the limits say; absent when there is none. */
  frozen?: Frozen;
  /** Names the request, as X-Request-Id does. */
  instance: string;
  /** The same as detail. */
  message: string;
  /** When the window ends and usage starts at 0 again. */
  resetsAt?: string | null;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  /** How it stands. */
  status: number;
  /** The problem in a few words. */
  title: string;
  /** Which kind it is. */
  type: string;
  /** With a denial (402): what of the request may be meant otherwise. */
  warnings?: string[];
}

/** How to go on: how near the tightest of the limits is to its end. */
export interface Advice {
  /** What the request is to be changed to, by the furthest step of a degrade policy on its path; absent where none was reached. */
  degrade?: Degrade;
  /** What the limit still lets through. */
  left: number;
  /** ok: go on. wind_down: begin nothing new. stop: end now. It denies nothing. */
  level: "ok" | "wind_down" | "stop";
  /** The limit that it is by. */
  limit: AdviceLimit;
  /** What is used and held of the limit, in percent, rounded down; at most 1000000. */
  usedPercent: number;
}

/** The limit that refuses, with its figures. */
export interface Binding {
  /** The limit. */
  assignmentId?: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** What was used in the current window. */
  currentUsage: number;
  /** The default that the limit is by; absent when it is the entity's own. */
  defaultOf?: DefaultOf;
  /** hard refuses at the limit; soft grants, and reports and alerts. */
  enforcement?: "hard" | "soft";
  /** The entity. */
  entityId: string | null;
  /** The entity's type. */
  entityTypeId?: string;
  /** By how much a soft limit would be passed. */
  exceeded?: boolean;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** Whether it is granted. */
  isGranted?: boolean;
  /** Tells limits of one entity and capability apart; empty without. */
  label?: string;
  /** What is left; null: there is no limit. */
  remaining: number | null;
  /** What was asked for. */
  requested?: number;
  /** What open reservations hold. */
  reserved: number;
  /** When the window ends and usage starts at 0 again. */
  resetsAt: string | null;
  /** The limit counts only what names these entities, too. */
  scopeEntityIds?: string[];
  /** Whose limit it is: an entity's, the customer's, or the pool of credits. */
  source: "ENTITY" | "CUSTOMER" | "CREDITS";
  /** The limit; null: there is none. */
  usageLimit: number | null;
}

/** A limit that applies, with its figures. */
export interface LimitNode {
  /** The limit. */
  assignmentId: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** What was used in the current window. */
  currentUsage: number;
  /** The default that the limit is by; absent when it is the entity's own. */
  defaultOf?: DefaultOf;
  /** hard refuses at the limit; soft grants, and reports and alerts. */
  enforcement: "hard" | "soft";
  /** The entity. */
  entityId: string;
  /** The entity's type. */
  entityTypeId: string;
  /** usage + held + requested is above the limit, hard or soft. */
  exceeded: boolean;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** Whether it is granted. */
  isGranted: boolean;
  /** Tells limits of one entity and capability apart; empty without. */
  label: string;
  /** What is left; null: there is no limit. */
  remaining: number | null;
  /** What was asked for. */
  requested: number;
  /** Held by open reservations. */
  reserved: number;
  /** When the window ends and usage starts at 0 again. */
  resetsAt: string;
  /** The limit counts only what names these entities, too. */
  scopeEntityIds: string[];
  /** With active boosts; null is unlimited. */
  usageLimit: number | null;
}

/** An amount of a currency. */
export interface Cost {
  /** How much, in units of the capability. */
  amount: number;
  /** The credit currency. Excludes featureId. */
  currencyId: string;
}

/** The feature that a check is about. */
export interface CheckFeature {
  /** A name for people. */
  displayName: string;
  /** Kept for you; Bursar does not read it. */
  featureStatus: string;
  /** Always NUMBER: features are metered. */
  featureType: string;
  /** Names it. */
  id: string;
}

/** A freeze: all that would be granted below it is denied. */
export interface Frozen {
  /** The frozen entity; null: the customer is frozen, or an entity that an access token may not see. */
  entityId: string | null;
  /** When it was frozen. */
  frozenAt: string;
  /** Why it was frozen, as who froze it said. */
  reason: string;
}

/** The currency that a check is about. */
export interface CheckCurrency {
  /** The credit currency. Excludes featureId. */
  currencyId: string;
  /** A text for people; empty or null clears it. */
  description?: string;
  /** A name for people. */
  displayName: string;
  /** Texts of yours; an empty text deletes its key. */
  metadata?: Record<string, string>;
  /** The name of several units. */
  unitPlural?: string;
  /** The name of one unit. */
  unitSingular?: string;
}

/** A question. */
export interface CheckItem {
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions?: Record<string, string | number | boolean>;
  /** Exactly one of featureId and currencyId. */
  featureId?: string;
  /** How much is asked for. Default: 1. */
  requestedUsage?: number;
  /** What names no entity is denied with EntityNotFound: an id that is unknown and, of a request, dimensions that name none at all. */
  strict?: boolean;
}

/** Tokens by kind. A token is of one kind alone. */
export interface TokensIn {
  /** Of the prompt, found in the provider's cache. */
  cache_read?: number;
  /** Of the prompt: sound, found in the provider's cache. */
  cache_read_audio?: number;
  /** Of the prompt, put into the cache for its usual time. */
  cache_write?: number;
  /** Of the prompt, put into the cache for an hour. */
  cache_write_1h?: number;
  /** Of sources that a search model read. */
  citation?: number;
  /** Of the prompt, neither read from a cache nor written to one. */
  input?: number;
  /** Of the prompt: sound, not from a cache. */
  input_audio?: number;
  /** Of the prompt: pictures, not from a cache. */
  input_image?: number;
  /** Without reasoning. */
  output?: number;
  /** Sound that was made. */
  output_audio?: number;
  /** Pictures that were made. */
  output_image?: number;
  /** Video that was made. */
  output_video?: number;
  /** Thinking that is charged as output. */
  reasoning?: number;
}

/** A limit that reached thresholds. */
export interface Alert {
  /** The limit. */
  assignmentId: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** The entity. */
  entityId: string;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** Tells limits of one entity and capability apart; empty without. */
  label: string;
  /** In percent of the limit. */
  thresholds: number[];
}

/** How much of one feature or currency. */
export interface CapabilityAmount {
  /** How much, in units of the capability. */
  amount: number;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** The feature. Excludes currencyId. */
  featureId?: string;
}

/** What a reservation took from calls before it. */
export interface Learned {
  /** There was room for no more than that. */
  capped: boolean;
  /** The entity whose calls they were; null: the customer's. */
  of: string | null;
  /** As it was asked for. */
  quantile: string;
  /** Calls that it is taken from, at most 64; 0: there were fewer than 10, and maxTokens is held. */
  samples: number;
  /** Of output, that are held. */
  tokens: number;
}

/** Tokens by kind. A token is of one kind alone. */
export interface Tokens {
  /** Found in the provider's cache. */
  cache_read: number;
  /** Sound in the prompt, found in the provider's cache. */
  cache_read_audio?: number;
  /** Put into the cache for its usual time. */
  cache_write: number;
  /** Put into the cache for an hour. */
  cache_write_1h: number;
  /** Of sources that a search model read. */
  citation?: number;
  /** Neither read from a cache nor written to one. */
  input: number;
  /** Sound in the prompt, not from a cache. */
  input_audio?: number;
  /** Pictures in the prompt, not from a cache. */
  input_image?: number;
  /** Without reasoning. */
  output: number;
  /** Sound that was made. */
  output_audio?: number;
  /** Pictures that were made. */
  output_image?: number;
  /** Video that was made. */
  output_video?: number;
  /** Thinking that is charged as output. */
  reasoning: number;
}

/** Cursors of the pages beside this one. */
export interface Pagination {
  /** The cursor of the page behind this one; null: there is none. */
  next: string | null;
  /** The cursor of the page ahead of this one; null: there is none. */
  prev: string | null;
}

/** A customer's pool of a currency. */
export interface CreditBalance {
  /** What this request took from the pool. */
  consumed?: number;
  /** The credit currency. Excludes featureId. */
  currencyId: string;
  /** All that was consumed. */
  currentUsage: number;
  /** When. */
  timestamp: string;
  /** All that was granted, less what lapsed. */
  usageLimit: number;
  /** When the next grant that has credits left expires. */
  usagePeriodEnd: string | null;
}

/** Something that happened, which meters turn into usage. */
export interface EventIn {
  /** Your id of the call that the event is. If a reservation has it, as callId or as idempotency key, the event ends that; if the call was counted already, the event is a duplicate. */
  callId?: string;
  /** The customer. */
  customerId: string;
  /** gen_ai.* attributes become token counts, too. */
  dimensions?: Record<string, string | number | boolean>;
  /** The name of the event, by which meters find it. */
  eventName: string;
  /** Required, here or as the Idempotency-Key header. */
  idempotencyKey?: string;
  /** The reservation of this event: it ends with what the event used, as by a commit. */
  reservationId?: string;
  /** When it happened. Send it: then a duplicate is recognised or refused, always. */
  timestamp?: string;
  /** The usage object of a model provider's reply, or the reply itself, as it came. It becomes the dimensions tokens.input, tokens.cache_read, tokens.cache_write, tokens.cache_write_1h, tokens.output, tokens.reasoning and those of sound, pictures, searches and so on, unless they are given. */
  usage?: Record<string, unknown>;
}

/** Something that happened, which meters turn into usage. */
export interface EventResult {
  /** What of that are costs. */
  cost: Cost[];
  /** Whether this was recorded before: nothing is counted twice. */
  duplicate: boolean;
  /** The reservation that it ended. */
  reservationId?: string;
  /** Tokens by kind, as the event says, also those that no meter reads; of a duplicate none. */
  tokens?: Tokens;
  /** What was recorded now of each feature and currency; of a duplicate nothing. */
  used: CapabilityAmount[];
  /** What of the request may be meant otherwise than it was understood, each a code or code:what. DIMENSION_NOT_RESOLVED:key, its value names no entity; ENROLLED:key, it names one from now on (WOULD_ENROL:key, it would; NOT_ENROLLED:key, it cannot); DID_YOU_MEAN:key=id, that entity has nearly its id; UNGOVERNED:id, nothing limits it; RATE_NOT_FOUND (of an event :feature), it has no price; UNMETERED:event or :tokens.kind, no meter counts it; TOO_MANY_LIMITS:id, not all limits count; STALE_SET; CALL_COUNTED_BEFORE, an event that ended no reservation counted the call of this one. */
  warnings?: string[];
}

/** What usage would cost in a currency. */
export interface Estimate {
  /** What would be left of the pool. */
  balanceAfterEstimate: number;
  /** Its parts, by feature. */
  breakdown: EstimateItem[];
  /** The credit currency. Excludes featureId. */
  currencyId: string;
  /** What is in the pool. */
  currentBalance: number;
  /** What it would cost. */
  estimatedCost: number;
  /** Never when the currency is not prepaid. */
  wouldOverdraft: boolean;
}

/** Usage of a feature. */
export interface UsageItem {
  /** When it happened. Send it: then a duplicate is recognised or refused, always. */
  createdAt?: string;
  /** The customer. */
  customerId: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions?: Record<string, string | number | boolean>;
  /** The feature. Excludes currencyId. */
  featureId: string;
  /** Names the usage: sent again, it counts once. */
  idempotencyKey?: string;
  /** DELTA adds the value, SET makes it the level. Default: DELTA. */
  updateBehavior?: "DELTA" | "SET";
  /** Below 0 only for FLUCTUATING features. */
  value: number;
}

/** An instant that a chart marks. */
export interface Marker {
  /** When. */
  timestamp: string;
  /** Which kind it is. */
  type: "PERIODIC_RESET" | "SUBSCRIPTION_CHANGE_RESET";
}

/** Usage over time, of one group. */
export interface Series {
  /** By time, oldest first. */
  points: Point[];
  /** What the group has in common. */
  tags: Tag[];
  /** Usage of which it is not known what entities it named: it was recorded before that was kept, or on more paths through the tree than are told apart. */
  untold: boolean;
}

/** An entity, or a limit of one with its usage. */
export interface TreeRow {
  /** Since when it is archived; null: it is not. */
  archivedAt: string | null;
  /** The limit. */
  assignmentId: string | null;
  /** How long a window is: PT5M, PT1H, P1D, P1W, P1M, P1Y. */
  cadence: string | null;
  /** How many entities are directly below. */
  childCount: number;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** What was used in the current window. */
  currentUsage: number | null;
  /** The default that the limit is by; absent when it is the entity's own. */
  defaultOf?: DefaultOf;
  /** A name for people. */
  displayName: string | null;
  /** With all that limits it; null in tree mode without effectiveFeatureId and effectiveCurrencyId. What changes above sends no event for the rows below. */
  effective: Effective | null;
  /** hard refuses at the limit; soft grants, and reports and alerts. */
  enforcement: "hard" | "soft" | null;
  /** The entity. */
  entityId: string;
  /** The entity's type. */
  entityTypeId: string;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** What stops it: the freeze of the entity itself, of the nearest frozen one above it, or of the customer. */
  frozen?: Frozen;
  /** Tells limits of one entity and capability apart; empty without. */
  label: string | null;
  /** The entity above; null: it is a root. */
  parentId: string | null;
  /** The newest refusal by this hard limit, in its period, for which too little is still left; of those that this node remembers. The stream tells new ones as events of the name refused: {assignmentId, at, requested}. */
  refused: Refusal | null;
  /** What is left; null: there is no limit. */
  remaining: number | null;
  /** What open reservations hold. */
  reserved: number | null;
  /** The limit counts only what names these entities, too. */
  scopeEntityIds: string[];
  /** Of this limit by itself. */
  status: "ok" | "warning" | "exceeded" | null;
  /** The limit; null: there is none. */
  usageLimit: number | null;
  /** When the current window ends, exclusive. */
  usagePeriodEnd: string | null;
  /** When the current window began. */
  usagePeriodStart: string | null;
  /** usage ÷ limit with boosts; 1 for limit 0; null when unlimited. */
  utilization: number | null;
}

/** The cursor of the page behind this one. */
export interface TreePagination {
  /** The cursor of the page behind this one; null: there is none. */
  next: string | null;
}

/** A limit with what is expected of it. */
export interface ForecastRow {
  /** Since when it is archived; null: it is not. */
  archivedAt: string | null;
  /** The limit. */
  assignmentId: string | null;
  /** How long a window is: PT5M, PT1H, P1D, P1W, P1M, P1Y. */
  cadence: string | null;
  /** How many entities are directly below. */
  childCount: number;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** What was used in the current window. */
  currentUsage: number | null;
  /** The default that the limit is by; absent when it is the entity's own. */
  defaultOf?: DefaultOf;
  /** A name for people. */
  displayName: string | null;
  /** With all that limits it; null in tree mode without effectiveFeatureId and effectiveCurrencyId. What changes above sends no event for the rows below. */
  effective: Effective | null;
  /** hard refuses at the limit; soft grants, and reports and alerts. */
  enforcement: "hard" | "soft" | null;
  /** The entity. */
  entityId: string;
  /** The entity's type. */
  entityTypeId: string;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** What is expected until its period ends. */
  forecast: Forecast;
  /** What stops it: the freeze of the entity itself, of the nearest frozen one above it, or of the customer. */
  frozen?: Frozen;
  /** Tells limits of one entity and capability apart; empty without. */
  label: string | null;
  /** The entity above; null: it is a root. */
  parentId: string | null;
  /** The newest refusal by this hard limit, in its period, for which too little is still left; of those that this node remembers. The stream tells new ones as events of the name refused: {assignmentId, at, requested}. */
  refused: Refusal | null;
  /** What is left; null: there is no limit. */
  remaining: number | null;
  /** What open reservations hold. */
  reserved: number | null;
  /** The limit counts only what names these entities, too. */
  scopeEntityIds: string[];
  /** Of this limit by itself. */
  status: "ok" | "warning" | "exceeded" | null;
  /** The limit; null: there is none. */
  usageLimit: number | null;
  /** When the current window ends, exclusive. */
  usagePeriodEnd: string | null;
  /** When the current window began. */
  usagePeriodStart: string | null;
  /** usage ÷ limit with boosts; 1 for limit 0; null when unlimited. */
  utilization: number | null;
}

/** A request that was refused. */
export interface Denial {
  /** What refuses first, with its figures; null when nothing does. */
  binding: Binding | null;
  /** The limits on its path, with their figures when it was denied. */
  chains: LimitNode[][];
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Properties of the usage. Those that are attribution keys name the entities that it counts on. */
  dimensions: Record<string, string | number | boolean>;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** What denied where a freeze did; binding is null then. */
  frozen?: Frozen;
  /** Names it. */
  id: string;
  /** Which kind it is. */
  kind: "CHECK" | "CONSUME" | "RESERVE";
  /** Why. */
  reason: string;
  /** The X-Request-Id of the request. */
  requestId: string;
  /** What was asked for. */
  requested: number;
  /** When. */
  timestamp: string;
}

/** A limit of an entity in an explanation. */
export interface ExplainedNode {
  /** The limit. */
  assignmentId: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** What was used in the current window. */
  currentUsage: number;
  /** The default that the limit is by; absent when it is the entity's own. */
  defaultOf?: DefaultOf;
  /** hard refuses at the limit; soft grants, and reports and alerts. */
  enforcement: "hard" | "soft";
  /** The entity. */
  entityId: string;
  /** The entity's type. */
  entityTypeId: string;
  /** usage + held + requested is above the limit, hard or soft. */
  exceeded: boolean;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** usage + held + requested is within the limit, hard or soft. */
  fits: boolean;
  /** Whether it is granted. */
  isGranted: boolean;
  /** Tells limits of one entity and capability apart; empty without. */
  label: string;
  /** What is left; null: there is no limit. */
  remaining: number | null;
  /** What was asked for. */
  requested: number;
  /** Held by open reservations. */
  reserved: number;
  /** When the window ends and usage starts at 0 again. */
  resetsAt: string;
  /** The limit counts only what names these entities, too. */
  scopeEntityIds: string[];
  /** With active boosts; null is unlimited. */
  usageLimit: number | null;
  /** By how much the limit would have to be higher. */
  wouldNeed: number;
}

/** A limit of the customer as a whole in an explanation. */
export interface ExplainedGate {
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** What was used in the current window. */
  currentUsage: number;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** usage + held + requested is within the limit, hard or soft. */
  fits: boolean;
  /** What was asked for. */
  requested: number;
  /** What open reservations hold. */
  reserved: number;
  /** When the window ends and usage starts at 0 again. */
  resetsAt: string | null;
  /** Whose limit it is: an entity's, the customer's, or the pool of credits. */
  source: "CUSTOMER" | "CREDITS";
  /** The limit; null: there is none. */
  usageLimit: number;
  /** By how much the limit would have to be higher. */
  wouldNeed: number;
}

/** The limit that a write would have shared out twice. */
export interface AllocationProblem {
  /** What the limits below it would add up to. */
  allocated: number;
  /** The strict limit. */
  assignmentId: string;
  /** What would fit. */
  available: number;
  /** The entity. */
  entityId: string;
  /** The limit; null: there is none. */
  usageLimit: number | null;
}

/** What a request is to be changed to. */
export interface Degrade {
  /** Of the step. */
  atPercent: number;
  /** Whose policy says so. */
  entityId: string;
  /** The most tokens of output to ask for; absent: as it is. */
  maxTokens?: number;
  /** For whoever goes on. */
  message?: string;
  /** The model to call; absent: as it is. */
  model?: string;
  /** false: call without tools; absent: as it is. */
  tools?: boolean;
}

/** The limit that an advice is by: the hard limit that has room for the fewest more of what was decided about. */
export interface AdviceLimit {
  /** The limit. */
  assignmentId?: string;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** The entity. */
  entityId: string | null;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** Tells limits of one entity and capability apart; empty without. */
  label?: string;
  /** When the window ends and usage starts at 0 again. */
  resetsAt: string | null;
  /** Whose limit it is: an entity's, the customer's, or the pool of credits. */
  source: "ENTITY" | "CUSTOMER" | "CREDITS";
  /** The limit; null: there is none. */
  usageLimit: number;
}

/** The default that a limit is by. */
export interface DefaultOf {
  /** The default limit. */
  defaultId: string;
  /** Below this entity; null: the customer's default, or that of an entity which an access token may not see. */
  entityId: string | null;
  /** The type of the entities that the default is for. */
  entityTypeId: string;
  /** The metadata that the entity has and the default asks for. */
  metadata?: Record<string, string>;
}

/** What usage of a feature would cost. */
export interface EstimateItem {
  /** What it costs. */
  cost: number;
  /** The feature. Excludes currencyId. */
  featureId: string;
  /** Why there is no price; null: there is one. */
  warningCode: "UNSUPPORTED_AGGREGATION" | null;
}

/** A value at a time. */
export interface Point {
  /** Whether a window of the customer begins here. */
  isResetPoint: boolean;
  /** When. */
  timestamp: string;
  /** The value. */
  value: number;
}

/** A dimension and its value. */
export interface Tag {
  /** The name of the dimension. */
  key: string;
  /** The value. */
  value: string;
}

/** How a row stands with all that limits it, above it and on it. */
export interface Effective {
  /** What blocks, else what leaves least; null: nothing limits. */
  by: EffectiveLimit | null;
  /** What is still granted at most, by the hard limits and the pool of the capability; null: no end. A token is told of what it may see. */
  remaining: number | null;
  /** blocked: nothing more is granted now, by whichever limit or pool. Else the row's own status; warning also where another hard limit leaves less and warns. */
  status: "ok" | "warning" | "exceeded" | "blocked";
}

/** A request that a limit refused lately. */
export interface Refusal {
  /** When. */
  at: string;
  /** What was asked for. */
  requested: number;
}

/** What is expected of a limit until its period ends, from the usage of the weeks before. */
export interface Forecast {
  /** What is expected to be used when the period ends; null: it ends more than a year from now. */
  expected: number | null;
  /** The high end: of ten ends, about one is above. */
  high: number | null;
  /** The low end of what is expected: of ten ends, about one is below. */
  low: number | null;
  /** Expected usage for each day that is left. */
  perDay: number | null;
  /** Why nothing is expected; null: it is. A limit that is used up has runsOutAt all the same. */
  refused: "HISTORY_TOO_SHORT" | "WINDOW_TOO_SHORT" | "SCOPED" | "NOT_ADDITIVE" | "TOO_MUCH_TO_READ" | "LIMIT_GONE" | null;
  /** When nothing is expected to be left: now, when nothing is; null: not in this period. */
  runsOutAt: string | null;
  /** The same at the high end of what is expected. */
  runsOutEarliest: string | null;
  /** The same at the low end of what is expected. */
  runsOutLatest: string | null;
  /** What it is reckoned in. */
  step: "HOUR" | "DAY" | null;
  /** Of how many whole days or hours the usage was known. */
  steps: number;
}

/** What limits a row most. */
export interface EffectiveLimit {
  /** The limit. */
  assignmentId: string | null;
  /** How long a window is: PT5M, PT1H, P1D, P1W, P1M, P1Y. */
  cadence: string | null;
  /** The credit currency. Excludes featureId. */
  currencyId?: string;
  /** Of the entity. */
  displayName: string | null;
  /** The entity. */
  entityId: string | null;
  /** The feature. Excludes currencyId. */
  featureId?: string;
  /** Tells limits of one entity and capability apart; empty without. */
  label: string | null;
  /** Of FROZEN: why. */
  reason?: string;
  /** When the window ends and usage starts at 0 again. */
  resetsAt: string | null;
  /** The limit counts only what names these entities, too. */
  scopeEntityIds: string[];
  /** FROZEN: a freeze of the entity or, with entityId null, of the customer. ABOVE: something that a token may not see; all else is null then. */
  source: "ENTITY" | "CUSTOMER" | "CREDITS" | "FROZEN" | "ABOVE";
}
