import { nano } from "../api/amount";
import { path } from "../api/client";
import type { Tree, TreeRow } from "../api/types";
import type { Session } from "./sessiontype";
import type { Filter } from "./tree";

/** Import reads the same columns; those it cannot change it ignores. */
export const exportColumns = [
  "entityId",
  "displayName",
  "entityTypeId",
  "parentId",
  "featureId",
  "currencyId",
  "scopeEntityIds",
  "label",
  "usageLimit",
  "cadence",
  "enforcement",
  "currentUsage",
  "reserved",
  "remaining",
  "utilization",
  "status",
  "resetsAt",
  "byDefault",
];

export function exportRow(r: TreeRow): string[] {
  const text = (v: unknown) => (v === null || v === undefined ? "" : String(v));
  return [
    r.entityId,
    text(r.displayName),
    r.entityTypeId,
    text(r.parentId),
    text(r.featureId),
    text(r.currencyId),
    r.scopeEntityIds.join(" "),
    text(r.label),
    r.usageLimit === null ? "unlimited" : text(r.usageLimit),
    text(r.cadence),
    text(r.enforcement),
    text(r.currentUsage),
    text(r.reserved),
    text(r.remaining),
    text(r.utilization),
    text(r.status),
    text(r.usagePeriodEnd),
    r.defaultOf ? "default" : "",
  ];
}

/** Every limit that the filter lets through. The tree's limits include boosts; what is exported for import must not. */
export async function exportRows(s: Session, f: Filter, progress: (n: number) => void): Promise<string[][]> {
  const c = s.capability;
  if (!c) return [];
  const base = await bases(s);
  const rows: string[][] = [];
  for (let after: string | null = ""; after !== null; ) {
    const got: Tree = await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, {
      [c.kind === "currency" ? "currencyIds" : "featureIds"]: [c.id],
      entityTypeIds: f.typeId ? [f.typeId] : [],
      entityIdSearch: f.search,
      scope: f.scope,
      minUtilization: { "": undefined, near: 0.8, over: 1 }[f.status],
      sortBy: "id",
      order: "asc",
      limit: 1000,
      after,
    });
    for (const r of got.data) {
      const boosted = base.get(r.assignmentId ?? "");
      rows.push(exportRow(boosted === undefined ? r : { ...r, usageLimit: boosted }));
    }
    progress(rows.length);
    after = got.pagination.next;
  }
  return rows;
}

/** The limits without their boosts, where the two differ. */
async function bases(s: Session): Promise<Map<string, TreeRow["usageLimit"]>> {
  const c = s.capability;
  const all = await s.api.all<{ id: string; usageLimit: TreeRow["usageLimit"]; effectiveUsageLimit: TreeRow["usageLimit"] }>(
    path`/customers/${s.customerId}/assignments`,
    c?.kind === "currency" ? { currencyId: c.id } : { featureId: c?.id },
    200_000,
  );
  const differ = all.filter(
    a => a.usageLimit !== null && a.effectiveUsageLimit !== null && nano(a.usageLimit) !== nano(a.effectiveUsageLimit),
  );
  return new Map(differ.map(a => [a.id, a.usageLimit]));
}
