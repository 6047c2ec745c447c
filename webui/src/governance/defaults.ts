import { asExact, sub } from "../api/amount";
import { path } from "../api/client";
import type { Amount, Exact } from "../api/json";
import type { Capability, Default, DefaultOf, Enforcement, Entity, Tree, TreeRow } from "../api/types";
import { usedUp } from "./limit";
import { named } from "./session";
import type { Session } from "./sessiontype";

/** A default as the input that would set it. */
export type DefaultInput = {
  entityId?: string;
  entityTypeId: string;
  metadata?: Record<string, string>;
  featureId?: string;
  currencyId?: string;
  label?: string;
  usageLimit: Exact | null;
  cadence: string;
  enforcement?: Enforcement;
  alertThresholds?: number[];
  /** null: the customer's. */
  timezone?: string | null;
  anchor?: string | null;
  ifMatch?: string;
};

export function inputOf(d: Default): DefaultInput {
  return {
    ...(d.entityId === null ? {} : { entityId: d.entityId }),
    entityTypeId: d.entityTypeId,
    metadata: d.metadata,
    ...(d.featureId ? { featureId: d.featureId } : { currencyId: d.currencyId }),
    label: d.label,
    usageLimit: d.usageLimit === null ? null : asExact(d.usageLimit),
    cadence: d.cadence,
    enforcement: d.enforcement,
    alertThresholds: d.alertThresholds,
    timezone: d.timezone,
    anchor: d.anchor,
  };
}

export const sourceOf = (d: Default): DefaultOf => ({
  defaultId: d.id,
  entityId: d.entityId,
  entityTypeId: d.entityTypeId,
  metadata: d.metadata,
});

const target = (s: Session) => path`/customers/${s.customerId}/default-limits`;

export const readDefaults = (s: Session) => s.api.all<Default>(target(s));

export async function putDefault(s: Session, input: DefaultInput): Promise<Default> {
  const got = await s.api.put<{ data: Default[] }>(target(s), { defaults: [input] });
  return got.data[0] as Default;
}

export const deleteDefault = (s: Session, d: Default) => s.api.delete(`${target(s)}/${encodeURIComponent(d.id)}`, d.revision);

const pages = 5;
const pageSize = 1000;

/** Rows of the tree, up to 5,000; more: there are others. */
async function rowsOf(s: Session, query: Record<string, string | string[]>): Promise<{ rows: TreeRow[]; more: boolean }> {
  const rows: TreeRow[] = [];
  let after: string | null = "";
  for (let i = 0; i < pages && after !== null; i++) {
    const got: Tree = await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, { ...query, limit: pageSize, after });
    rows.push(...got.data);
    after = got.pagination.next;
  }
  return { rows, more: after !== null };
}

/** Whom a default is meant for. */
export type Meant = { entityId: string | null; typeId: string; metadata: Record<string, string>; capability: Capability; label: string };

/** What becomes of those whom a default is meant for. */
export type Reach = {
  /** How many they are. */
  all: number;
  /** Have a limit of their own, which stays. */
  own: number;
  /** Have their limit by this default. */
  by: number;
  /** Have their limit by another. */
  other: number;
  /** Have none. */
  none: number;
  /** Of those by this one, which says an amount now: to how many another one, with their boosts, leaves nothing. */
  spent: (now: Amount | null, amount: Exact) => number;
  /** There are others, which were not looked at. */
  more: boolean;
};

/** Looks at those whom a default is meant for. id: of the default, if there is one. */
export async function reachOf(s: Session, of: Meant, id: string | null): Promise<Reach> {
  const below = { entityTypeIds: [of.typeId], ...(of.entityId === null ? {} : { rootEntityId: of.entityId }) };
  const ids: Record<string, string[]> =
    of.capability.kind === "feature" ? { featureIds: [of.capability.id] } : { currencyIds: [of.capability.id] };
  const conditions = Object.entries(of.metadata);
  const [all, limits, tier] = await Promise.all([
    rowsOf(s, below),
    rowsOf(s, { ...below, ...ids, scope: "nodeWide", ...(of.label ? { label: of.label } : {}) }),
    conditions.length === 0
      ? null
      : s.api.all<Entity>(path`/customers/${s.customerId}/entities`, { entityTypeId: of.typeId }, pages * pageSize),
  ]);
  const meets = tier && new Set(tier.filter(e => conditions.every(([k, v]) => e.metadata[k] === v)).map(e => e.id));
  const meant = new Set(all.rows.map(r => r.entityId).filter(e => e !== of.entityId && (meets?.has(e) ?? true)));
  const rows = limits.rows.filter(r => r.assignmentId !== null && (r.label ?? "") === of.label && meant.has(r.entityId));
  const mine = rows.filter(r => id !== null && r.defaultOf?.defaultId === id);
  const own = rows.filter(r => !r.defaultOf).length;
  return {
    all: meant.size,
    own,
    by: mine.length,
    other: rows.length - own - mine.length,
    none: meant.size - rows.length,
    spent: (now, amount) => {
      // A row's limit has its boosts in it.
      const boosts = (r: TreeRow) => (now === null || r.usageLimit === null ? 0 : sub(r.usageLimit, now));
      return mine.filter(r => r.currentUsage !== null && usedUp(r.currentUsage, amount.text, boosts(r), of.capability.counts)).length;
    },
    more: all.more || limits.more || (tier?.length ?? 0) >= pages * pageSize,
  };
}

/** The conditions of a tier as text: "employment=contractor, team=ads". */
export const tierText = (metadata: Record<string, string>) =>
  Object.entries(metadata)
    .map(e => e.join("="))
    .join(", ");

/** The conditions that are typed; null: it does not say them. */
export function readTier(text: string): Record<string, string> | null {
  const parts = text
    .split(",")
    .map(p => p.trim())
    .filter(Boolean)
    .map(p => /^([^=]+)=(.+)$/.exec(p));
  if (parts.some(m => m === null)) return null;
  const entries = parts.map(m => [m?.[1]?.trim() ?? "", m?.[2]?.trim() ?? ""] as const);
  if (entries.some(([k, v]) => k === "" || v === "") || new Set(entries.map(([k]) => k)).size < entries.length) return null;
  return Object.fromEntries(entries);
}

/** What names the default that an input is about. */
export const meantBy = (
  of: Meant,
): Pick<DefaultInput, "entityId" | "entityTypeId" | "metadata" | "featureId" | "currencyId" | "label"> => ({
  ...(of.entityId === null ? {} : { entityId: of.entityId }),
  entityTypeId: of.typeId,
  metadata: of.metadata,
  ...named(of.capability),
  label: of.label,
});
