import type { Amount } from "./json";

// What the API answers, as far as these pages read it. docs: GET /openapi.json.

export type Page<T> = { data: T[]; pagination: { next: string | null; prev?: string | null } };
export type One<T> = { data: T };
export type Dimensions = Record<string, string | number | boolean>;
export type Enforcement = "hard" | "soft";

export type TreeRow = {
  entityId: string;
  entityTypeId: string;
  displayName: string | null;
  parentId: string | null;
  featureId?: string;
  currencyId?: string;
  scopeEntityIds: string[];
  usageLimit: Amount | null;
  currentUsage: Amount | null;
  utilization: Amount | null;
  cadence: string | null;
  usagePeriodStart: string | null;
  usagePeriodEnd: string | null;
  assignmentId: string | null;
  label: string | null;
  enforcement: Enforcement | null;
  reserved: Amount | null;
  remaining: Amount | null;
  /** Of this limit by itself. */
  status: "ok" | "warning" | "exceeded" | null;
  /** The newest refusal, for which too little is still left. */
  refused: { at: string; requested: Amount } | null;
  effective: Effective | null;
  childCount: number;
  archivedAt: string | null;
  /** What stops it: its own freeze, the nearest above it, or the customer's. */
  frozen?: Frozen;
  /** The default that the limit is by; absent when it is the entity's own. */
  defaultOf?: DefaultOf;
};
/** Which default a limit is by: of all entities of a type below one, or of the customer or what the reader does not see. */
export type DefaultOf = { defaultId: string; entityId: string | null; entityTypeId: string; metadata?: Record<string, string> };
/** A limit of each entity of a type. */
export type Default = {
  revision: string;
  id: string;
  entityId: string | null;
  entityTypeId: string;
  metadata: Record<string, string>;
  featureId?: string;
  currencyId?: string;
  label: string;
  usageLimit: Amount | null;
  cadence: string;
  enforcement: Enforcement;
  alertThresholds: number[];
  timezone: string;
  anchor: string | null;
};
/** A freeze: of an entity or, without an id, of the customer or of what the reader does not see. */
export type Frozen = { entityId: string | null; reason: string; frozenAt: string };
/** How an entity stands with all that limits it, and what decides that. */
export type Effective = { status: "ok" | "warning" | "exceeded" | "blocked"; remaining: Amount | null; by: EffectiveLimit | null };
export type EffectiveLimit = {
  source: "ENTITY" | "CUSTOMER" | "CREDITS" | "FROZEN" | "ABOVE";
  assignmentId: string | null;
  entityId: string | null;
  displayName: string | null;
  label: string | null;
  cadence: string | null;
  resetsAt: string | null;
};
export type Tree = Page<TreeRow> & { asOf: string };

/** What is expected of a limit until its period ends. */
export type Forecast = {
  /** Why nothing is. */
  refused: "HISTORY_TOO_SHORT" | "WINDOW_TOO_SHORT" | "SCOPED" | "NOT_ADDITIVE" | "TOO_MUCH_TO_READ" | "LIMIT_GONE" | null;
  step: "HOUR" | "DAY" | null;
  steps: number;
  perDay: Amount | null;
  expected: Amount | null;
  low: Amount | null;
  high: Amount | null;
  runsOutAt: string | null;
  runsOutEarliest: string | null;
  runsOutLatest: string | null;
};
export type ForecastRow = TreeRow & { forecast: Forecast };

/** What becomes of use that nothing limits. */
export type Ungoverned = "allow" | "warn" | "deny";
export type Settings = { strict: boolean; ungoverned: Ungoverned };
/** What of a customer is under no limit. */
export type Coverage = { asOf: string; startDate: string; types: CoveredType[]; usage: CoveredUsage[] };
export type CoveredType = { entityTypeId: string; ungoverned: Ungoverned; entities: number; withoutLimit: number; examples: string[] };
export type CoveredUsage = {
  featureId?: string;
  currencyId?: string;
  used: Amount;
  ungovernedUsage: Amount;
  /** Of it nobody knows who was named. */
  untold: Amount;
  types: CoveredShare[];
};
export type CoveredShare = {
  /** null: what named nobody. */
  entityTypeId: string | null;
  used: Amount;
  ungovernedUsage: Amount;
  examples: { entityId: string; ungovernedUsage: Amount }[];
};
export type EntityType = {
  revision: string;
  id: string;
  displayName: string;
  attributionKeys: string[];
  description: string | null;
  /** Absent: what the environment says. */
  ungoverned?: Ungoverned;
  archivedAt: string | null;
};
export type Entity = {
  revision: string;
  id: string;
  entityTypeId: string;
  displayName: string | null;
  metadata: Record<string, string>;
  parentId: string | null;
  createdAt: string;
  updatedAt: string;
  archivedAt: string | null;
};

/** What archiving did, or would do. */
export type Archive = {
  revision: string;
  archived: string[];
  limits: Assignment[];
  limitCount: number;
  released: Entity[];
  releasedCount: number;
};

export type Assignment = {
  revision: string;
  id: string;
  entityId: string;
  scopeEntityIds: string[];
  featureId?: string;
  currencyId?: string;
  usageLimit: Amount | null;
  effectiveUsageLimit: Amount | null;
  cadence: string;
  label: string;
  enforcement: Enforcement;
  alertThresholds: number[];
  timezone: string;
  anchor: string | null;
  allocation: "none" | "strict";
  /** The default that it is by; absent when it is the entity's own. */
  defaultOf?: DefaultOf;
  /** In the reply that made it. */
  start?: { countsFrom: string; usage: Amount };
  createdAt: string;
  updatedAt: string;
};
export type Boost = {
  revision: string;
  id: string;
  assignmentId: string;
  amount: Amount;
  reason: string | null;
  createdAt: string;
  expiresAt: string;
  endedAt: string | null;
  createdBy: string;
  /** The entity whose limit has as much less while it lasts. */
  fundedBy: string | null;
};
/** That somebody asks for a boost, and what became of it. */
export type BoostRequest = {
  revision: string;
  id: string;
  status: "OPEN" | "APPROVED" | "DECLINED" | "WITHDRAWN" | "EXPIRED";
  assignmentId: string;
  entityId: string;
  featureId?: string;
  currencyId?: string;
  amount: Amount;
  expiresAt: string;
  reason: string | null;
  requestedBy: string;
  createdAt: string;
  decidedAt: string | null;
  decidedBy: string | null;
  note: string | null;
  boostId: string | null;
  approvedAmount: Amount | null;
  approvedExpiresAt: string | null;
  fundedBy: string | null;
};
export type Allocation = {
  assignmentId: string;
  entityId: string;
  label: string;
  allocation: "none" | "strict";
  usageLimit: Amount | null;
  allocated: Amount;
  unallocated: Amount | null;
  overCommitted: Amount;
  children: number;
  unlimited: number;
};

export type MeterCondition = { field: string; operation: string; value?: string; values?: string[] };
export type Meter = {
  eventName: string;
  aggregation: { function: "COUNT" | "SUM" | "MAX" | "UNIQUE"; field?: string };
  filters: { conditions: MeterCondition[] }[];
};
export type Feature = {
  revision: string;
  id: string;
  displayName: string;
  meterType: "INCREMENTAL" | "FLUCTUATING";
  featureStatus: string;
  description: string | null;
  featureUnits: string | null;
  featureUnitsPlural: string | null;
  meter: Meter | null;
  archivedAt: string | null;
};
export type Currency = {
  revision: string;
  id: string;
  displayName: string;
  description: string | null;
  symbol: string | null;
  units: { singular: string; plural: string } | null;
  prepaid: boolean;
  archivedAt: string | null;
};
export type Rate = { featureId: string; amount: Amount; per: number; match: Record<string, string | string[]> };
export type RateCard = {
  revision: string;
  id: string;
  currencyId: string;
  displayName: string;
  effectiveFrom: string;
  rates: Rate[];
  version: number;
  createdAt: string;
  archivedAt: string | null;
};
export type RateVersion = { version: number; effectiveFrom: string; createdAt: string; corrects: number | null; rates: Rate[] };
export type Repricing = {
  version: number;
  by: number;
  records: number;
  unmatched: number;
  was: Amount;
  is: Amount;
  /** For how many customers something changes: the list may be shorter. */
  changedCustomers: number;
  customers: {
    customerId: string;
    was: Amount;
    is: Amount;
    pool: Amount;
    rows: { assignmentId: string; entityId: string; usagePeriodStart: string; was: Amount; is: Amount }[];
  }[];
  applied: boolean;
};
export type Unread = { eventName: string; model: string; members: string[]; sample: string; count: number; lastSeen: string };
export type Unpriced = { featureId: string; currencyId: string; dimensions: Dimensions; amount: Amount; count: number; lastSeen: string };

export type Customer = {
  revision: string;
  id: string;
  name: string | null;
  email: string | null;
  timezone: string | null;
  createdAt: string;
  archivedAt: string | null;
};
export type Grant = {
  id: string;
  currencyId: string;
  displayName: string;
  amount: Amount;
  consumedAmount: Amount;
  grantType: "PAID" | "PROMOTIONAL" | "RECURRING" | "OVERDRAFT";
  status: "ACTIVE" | "SCHEDULED" | "EXPIRED" | "VOIDED" | "PAYMENT_PENDING";
  effectiveAt: string;
  expireAt: string | null;
  priority: number;
  comment: string | null;
  createdAt: string;
};
export type PromotionalEntitlement = {
  id: string;
  featureId: string;
  usageLimit: Amount | null;
  hasUnlimitedUsage: boolean | null;
  hasSoftLimit: boolean | null;
  period: "1 week" | "1 month" | "6 month" | "1 year" | "lifetime" | "custom";
  startDate: string;
  endDate: string | null;
  status: "Active" | "Expired" | "Paused";
  resetPeriod: "YEAR" | "MONTH" | "WEEK" | "DAY" | "HOUR" | null;
  resetPeriodConfiguration: { accordingTo: string } | null;
  createdAt: string;
};
/** What a customer may use of a feature or currency, without chains. */
export type Entitlement = {
  feature?: { id: string };
  currentUsage?: Amount;
  usageLimit?: Amount | null;
};
export type LedgerEntry = {
  amount: Amount;
  creditCurrencyId: string;
  creditGrantId: string;
  eventType: string;
  featureId: string | null;
  timestamp: string;
};

export type Node = {
  entityId: string;
  entityTypeId: string;
  scopeEntityIds: string[];
  featureId?: string;
  currencyId?: string;
  assignmentId: string;
  label: string;
  enforcement: Enforcement;
  usageLimit: Amount | null;
  currentUsage: Amount;
  reserved: Amount;
  requested: Amount;
  remaining: Amount | null;
  resetsAt: string;
  isGranted: boolean;
  exceeded: boolean;
  defaultOf?: DefaultOf;
  /** Of an explanation: by how much the limit would have to be higher. */
  wouldNeed?: Amount;
};
export type Binding = Partial<Omit<Node, "entityId">> & {
  source: "ENTITY" | "CUSTOMER" | "CREDITS";
  entityId: string | null;
  usageLimit: Amount | null;
  currentUsage: Amount;
  reserved: Amount;
  remaining: Amount | null;
  resetsAt: string | null;
};
export type Decision = {
  type: "FEATURE" | "CREDIT";
  isGranted: boolean;
  accessDeniedReason: string | null;
  /** Of EntityNotFound and Ungoverned: who was named, and what to do. */
  accessDeniedDetail?: string | null;
  binding: Binding | null;
  /** What denies where a freeze does. */
  frozen?: Frozen;
  chains?: Node[][];
  costs?: { currencyId: string; amount: Amount }[];
  /** What of the request may be meant otherwise, each a code or code:what. */
  warnings?: string[];
  grantedAfter?: string | null;
  /** Of an explanation for an access token with a root: only limits at and below it were asked. */
  rootEntityId?: string | null;
};
export type Explanation = { decision: Decision; chains: Node[][]; grantedAfter: string | null; rootEntityId: string | null };
export type Denial = {
  id: string;
  timestamp: string;
  kind: "CHECK" | "CONSUME" | "RESERVE";
  featureId?: string;
  currencyId?: string;
  requested: Amount;
  dimensions: Dimensions;
  reason: string;
  requestId: string;
  binding: Binding | null;
  frozen?: Frozen;
  chains: Node[][];
};

/** How many requests were stopped. */
export type DenialSummary = {
  startDate: string;
  endDate: string;
  denied: number;
  sampled: number;
  notKept: number;
  /** Of which nothing else is known; null: the reader does not learn it. */
  other: number | null;
  points: { timestamp: string; denied: number; sampled: number }[];
  groups: DenialGroup[];
  leftOut: number;
};
export type DenialGroup = {
  entityId: string | null;
  featureId?: string;
  currencyId?: string;
  reason: string;
  binding: {
    source: "ENTITY" | "CUSTOMER" | "CREDITS";
    assignmentId: string | null;
    entityId: string | null;
    scopeEntityIds: string[];
    featureId?: string;
    currencyId?: string;
    label: string;
  } | null;
  denied: number;
  sampled: number;
  lastAt: string;
};

export type CapabilityAmount = { featureId?: string; currencyId?: string; amount: Amount };
export type Reservation = {
  id: string;
  featureId?: string;
  currencyId?: string;
  amount?: Amount; // none of an event, which holds several
  eventName?: string;
  held?: CapabilityAmount[];
  used?: CapabilityAmount[];
  dimensions: Dimensions;
  status: "OPEN" | "COMMITTED" | "RELEASED" | "EXPIRED";
  onExpire: "release" | "settle";
  createdAt: string;
  expiresAt: string;
  closedAt: string | null;
  committedAmount: Amount | null;
  cost: { currencyId: string; amount: Amount }[];
};
export type Activity = {
  id: string;
  timestamp: string;
  actor: { type: "API_KEY" | "ACCESS_TOKEN" | "SPEND_TOKEN" | "NOTIFICATION" | "SYSTEM"; id: string; subject: string | null };
  action: string;
  target: { type: string; id: string };
  entityId: string | null;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  requestId: string | null;
};
export type Series = { points: { timestamp: string; value: Amount }[]; tags: { key: string; value: string }[]; untold: boolean };
export type History = { series: Series[]; warnings: string[] };

export type Simulation = {
  startDate: string;
  endDate: string;
  replayed: number;
  note: string;
  drafts: { index: number; stopped: number; stoppedUsage: Amount; firstStoppedAt: string | null; peakUsage: Amount }[];
  entities: { entityId: string | null; draft: number; stopped: number; stoppedUsage: Amount; firstStoppedAt: string }[];
};

export type Overview = {
  asOf: string;
  since: string;
  checks: { granted: number; denied: number };
  minutes: { timestamp: string; granted: number; denied: number; usageEvents: number }[];
  customers: number;
  holdsOpen: number;
  closest: (TreeRow & { customerId: string })[];
  binding: {
    customerId: string;
    assignmentId: string | null;
    source: string;
    entityId: string | null;
    scopeEntityIds: string[];
    featureId?: string;
    currencyId?: string;
    label: string;
    denials: number;
    lastAt: string;
  }[];
  names: { customerId: string; entityId: string | null; displayName: string }[];
  spend: { currencyId: string; displayName: string; symbol: string | null; last24Hours: Amount }[];
  /** Prepaid pools that last for less than 7 days as things go. */
  pools: { customerId: string; currencyId: string; left: Amount; perDay: Amount }[];
};

/** Work that takes longer than a request. */
export type Job = {
  id: string;
  kind: "REPRICE" | "SIMULATE";
  status: "QUEUED" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";
  customerId: string | null;
  rateCardId: string | null;
  apply: boolean | null;
  startDate: string;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  cancelling: boolean;
  progress: { unit: "customers" | "commits"; done: number; total: number | null };
  problem: { code: string; message: string } | null;
  /** Of one that was read by itself. */
  repricing: Repricing | null;
  simulation: Simulation | null;
};

export type ApiKey = {
  id: string;
  name: string;
  scope: "full" | "runtime" | "read";
  prefix: string;
  key?: string;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
};
export type Webhook = {
  revision: string;
  id: string;
  kind: "webhook" | "slack" | "email";
  url: string;
  description: string | null;
  /** null: all. */
  eventTypes: string[] | null;
  customerId: string | null;
  status: "ENABLED" | "DISABLED";
  secret?: string;
  createdAt: string;
};
export type Delivery = {
  id: string;
  messageId: string;
  eventType: string;
  status: "PENDING" | "SUCCEEDED" | "FAILED";
  attempts: number;
  responseStatus: number | null;
  error: string | null;
  nextAttemptAt: string | null;
  createdAt: string;
};
export type Notification = {
  id: string;
  /** null: the whole customer. */
  entityId: string | null;
  name: string;
  emails: string[];
  /** The host of each, and what tells it from others. */
  slackUrls: string[];
  thresholds: number[];
  denials: boolean;
  boostRequests: boolean;
  createdAt: string;
  updatedAt: string;
};
export type NotificationDelivery = Delivery & { recipient: string };
export type AccessToken = {
  id: string;
  /** Only in the reply that made it. */
  token?: string;
  customerId: string;
  expiresAt: string;
  permissions: string[];
  rootEntityId: string | null;
};

export type Capability = {
  kind: "feature" | "currency";
  id: string;
  name: string;
  unit: string;
  /**
   * What is used of it: a sum; the highest value, up to which any passes; or how many different ones there were.
   * Only of a sum is usage of one time and another usage of both.
   */
  counts: "sum" | "highest" | "different";
};
