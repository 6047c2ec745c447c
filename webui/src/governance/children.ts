import { add, less, sub } from "../api/amount";
import { isStatus, path } from "../api/client";
import type { Amount } from "../api/json";
import type { Allocation, Assignment, History, One, Page, TreeRow } from "../api/types";
import { readLimits } from "./limit";
import { compare, lastMonth, plusDays } from "./period";
import { capabilityOf, named } from "./session";
import type { Session } from "./sessiontype";

/** Something directly below, with the limit of it that is a share. */
export type Child = {
  id: string;
  name: string;
  typeId: string;
  limit: Assignment | null;
  used: Amount | null;
  held: Amount;
  /** Null: not known. */
  lastMonth: Amount | null;
};
export type Found = {
  children: Child[];
  more: boolean;
  /** What was used last month and is of none of the children. */
  own: Amount;
  /** What limits further down come to, below children without one: they count as shares, too. */
  deeper: Amount;
};

export const mostShown = 500;
/** Usage of each child from a time to another; null where there are too many of them. */
async function usageOf(s: Session, limit: Assignment, from: Date | string, to?: Date): Promise<Map<string, Amount> | null> {
  const c = capabilityOf(limit, s.capabilities);
  let got: One<History>;
  try {
    got = await s.api.get<One<History>>(path`/customers/${s.customerId}/entities/${limit.entityId}/usage`, {
      ...(c ? named(c) : {}),
      startDate: new Date(from).toISOString(),
      endDate: to?.toISOString(),
      granularity: "MONTH",
      groupBy: ["$child"],
    });
  } catch (e) {
    // Of very many it cannot be told apart.
    if (isStatus(e, 400)) return null;
    throw e;
  }
  const by = new Map<string, Amount>();
  for (const x of got.data.series) {
    const id = x.tags[0]?.value ?? "";
    for (const p of x.points) by.set(id, add(by.get(id) ?? 0, p.value));
  }
  return by;
}

/** Who is below a limit, with what they have and used. */
export async function readChildren(s: Session, limit: Assignment, row: TreeRow | undefined): Promise<Found> {
  const at = path`/customers/${s.customerId}/governance`;
  const about = limit.featureId ? { featureIds: [limit.featureId] } : { currencyIds: [limit.currencyId ?? ""] };
  const below = { parentId: limit.entityId, limit: 500, sortBy: "id", order: "asc" };
  const month = lastMonth();
  // Of an hour's budget nothing is known of those that do not count it themselves.
  const since = row?.usagePeriodStart && !/^PT/.test(limit.cadence) ? row.usagePeriodStart : null;
  const capability = limit.featureId ? { featureId: limit.featureId } : { currencyId: limit.currencyId };
  const [entities, limits, before, now, shares] = await Promise.all([
    s.api.all<TreeRow>(at, below, mostShown + 1),
    s.api.all<TreeRow>(at, { ...below, ...about, scope: "nodeWide" }, 5000),
    usageOf(s, limit, month.from, plusDays(month.from, month.days)),
    since ? usageOf(s, limit, since) : null,
    s.api.get<Page<Allocation>>(path`/customers/${s.customerId}/allocation`, {
      ...capability,
      entityId: limit.entityId,
      label: limit.label,
      limit: 100,
    }),
  ]);
  const rows = limits.filter(r => (r.label ?? "") === limit.label);
  const own = new Map((await presentOf(s, limit, rows, capability)).map(a => [a.entityId, a]));
  const counted = new Map(rows.map(r => [r.entityId, r]));
  const children = entities.slice(0, mostShown).map(e => ({
    id: e.entityId,
    name: e.displayName ?? e.entityId,
    typeId: e.entityTypeId,
    limit: own.get(e.entityId) ?? null,
    used: counted.get(e.entityId)?.currentUsage ?? (now ? (now.get(e.entityId) ?? 0) : null),
    held: counted.get(e.entityId)?.reserved ?? 0,
    lastMonth: before && (before.get(e.entityId) ?? 0),
  }));
  const most = (c: Child) => c.limit?.usageLimit ?? 0;
  children.sort(
    (a, b) => compare(b.lastMonth ?? 0, a.lastMonth ?? 0) || compare(most(b), most(a)) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const allocated = shares.data.find(x => x.assignmentId === limit.id)?.allocated ?? 0;
  const direct = [...own.values()].reduce<Amount>((sum, a) => add(sum, a.usageLimit ?? 0), 0);
  const deeper = less(direct, allocated) ? sub(allocated, direct) : 0;
  return { children, more: entities.length > mostShown, own: before?.get("") ?? 0, deeper };
}

const fewEnough = 40;

/** The present limits behind rows: of many, from the list that is of one instant. It has no limits by default. */
async function presentOf(
  s: Session,
  limit: Assignment,
  rows: TreeRow[],
  capability: { featureId?: string; currencyId?: string },
): Promise<Assignment[]> {
  if (rows.length <= fewEnough) return readLimits(s, rows);
  const wanted = new Set(rows.map(r => r.assignmentId));
  const all = await s.api.all<Assignment>(path`/customers/${s.customerId}/assignments`, { ...capability, label: limit.label }, 500_000);
  const given = await readLimits(
    s,
    rows.filter(r => r.defaultOf),
  );
  return [...all.filter(a => wanted.has(a.id)), ...given];
}
