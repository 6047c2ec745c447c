import { useQuery } from "@tanstack/react-query";
import { isStatus, path } from "../../api/client";
import type { EntityType, ForecastRow, History, One, Tree } from "../../api/types";
import { zone } from "../../lib/time";
import { movers, type Period, plusDays, sumsOf } from "../period";
import { named, useSession } from "../session";
import type { Session } from "../sessiontype";
import type { Top } from "../top";

// Nothing here is read again by itself: what is shown is of when it was read, and says so.
export const rarely = { staleTime: 5 * 60_000, refetchOnWindowFocus: false, retry: 1 };
const topsRead = 300;
export const rowsShown = 8;
export const foreseenAtOnce = 30;

/** The first levels of what the reader sees, without models. */
export function useTops(depth: number) {
  const s = useSession();
  const types = [...s.types.values()].filter(t => !isModel(t)).map(t => t.id);
  return useQuery({
    queryKey: ["tops", s.customerId, depth],
    queryFn: async () => {
      const query = { depth, limit: topsRead, sortBy: "id", order: "asc", entityTypeIds: types.length > 100 ? [] : types };
      return (await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, query)).data;
    },
    ...rarely,
  });
}

/** The limits of the first two levels. */
export function useBudgets() {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["budgets", s.customerId, cap?.kind, cap?.id],
    queryFn: async () => {
      const ids = cap?.kind === "feature" ? { featureIds: [cap.id] } : { currencyIds: [cap?.id ?? ""] };
      const got = await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, {
        ...ids,
        depth: 1,
        scope: "nodeWide",
        limit: topsRead,
      });
      return got.data;
    },
    ...rarely,
  });
}

export type Foreseen = ReturnType<typeof useForecasts>;

/** What limits of a cadence are expected to come to, and that of the top; undefined: not asked yet. */
export function useForecasts(cadence: string | null | undefined, root: string | undefined) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["forecast", s.customerId, cap?.kind, cap?.id, cadence, root],
    queryFn: async () => {
      const at = path`/customers/${s.customerId}/forecast`;
      const query = { ...(cap ? named(cap) : {}), cadence };
      const [all, mine] = await Promise.all([
        s.api.get<One<ForecastRow[]>>(at, { ...query, limit: foreseenAtOnce }),
        root ? s.api.get<One<ForecastRow[]>>(at, { ...query, rootEntityId: root, depth: 0, limit: 5 }) : null,
      ]);
      return { rows: all.data, main: mine?.data.find(r => r.entityId === root && r.scopeEntityIds.length === 0) ?? null };
    },
    enabled: cadence !== undefined && cap?.counts === "sum",
    ...rarely,
  });
}

/** Where usage is read of an entity, or of the whole. */
const usageAt = (s: Session, root: string | undefined) =>
  root ? path`/customers/${s.customerId}/entities/${root}/usage` : path`/customers/${s.customerId}/usage`;

/** Usage day by day of this period and of the one before. */
export function useTotal(root: string | undefined, period: Period) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["total", s.customerId, cap?.kind, cap?.id, root, period.before.toISOString()],
    queryFn: async () => {
      const query = { ...(cap ? named(cap) : {}), startDate: period.before.toISOString(), granularity: "DAY", timezone: zone };
      return (await s.api.get<One<History>>(usageAt(s, root), query)).data.series;
    },
    enabled: root !== undefined && cap?.counts === "sum",
    ...rarely,
  });
}

export type Total = ReturnType<typeof useTotal>;
export type Sums = ReturnType<typeof useSums>;

/** What each group used of this period, and of the days that are compared: sums alone, as there may be hundreds. Null: too many. */
export function useSums(by: { root?: string; key: string } | undefined, period: Period) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["sums", s.customerId, cap?.kind, cap?.id, by?.root, by?.key, period.before.toISOString(), period.days],
    queryFn: async () => {
      const ask = async (from: Date, days: number | null) => {
        if (days === 0) return [];
        const got = await s.api.get<One<History>>(usageAt(s, by?.root), {
          ...(cap ? named(cap) : {}),
          startDate: from.toISOString(),
          endDate: days === null ? undefined : plusDays(from, days).toISOString(),
          granularity: "MONTH",
          timezone: zone,
          groupBy: by?.key ? [by.key] : [],
        });
        return got.data.series;
      };
      try {
        const [total, like, was] = await Promise.all([
          ask(period.from, null),
          ask(period.from, period.like),
          ask(period.before, period.was),
        ]);
        return sumsOf(total, like, was);
      } catch (e) {
        if (isStatus(e, 400)) return null;
        throw e;
      }
    },
    enabled: by !== undefined && cap?.counts === "sum",
    ...rarely,
  });
}

/** Those that changed most. */
export function useMoved(key: string, period: Period) {
  const got = useSums(key === "" || period.like === 0 ? undefined : { key }, period);
  return { ...got, data: got.data && movers(got.data, rowsShown) };
}

export const keyOf = (t: EntityType | null | undefined) => t?.attributionKeys[0] ?? "";

const isModel = (t: EntityType) => t.attributionKeys.length > 0 && /model/i.test(`${t.id} ${t.displayName} ${t.attributionKeys[0]}`);

/** What tells models apart: a type of entity of that name, or the dimension. */
export function modelOf(s: Session): { key: string; typeId: string } {
  const type = [...s.types.values()].find(t => t.archivedAt === null && isModel(t));
  return { key: keyOf(type) || "model", typeId: type?.id ?? "" };
}

/** What usage is told apart by first: whatever is directly below the one at the top, or by the type of those there. */
export function whoseOf(s: Session, top: Top): { root?: string; key: string } {
  const key = keyOf(s.types.get(top.typeId));
  if (!top.root) return { key };
  return { root: top.root.entityId, key: top.root.childCount > 0 ? "$child" : key };
}

/** The type of what is two levels below the top. */
export function useBelow(top: Top | undefined): EntityType | null | undefined {
  const s = useSession();
  const tops = useTops(1);
  const parent = tops.data?.find(r => r.childCount > 0 && (top?.root ? r.parentId === top.root.entityId : r.parentId === null));
  const got = useQuery({
    queryKey: ["below", s.customerId, parent?.entityId],
    queryFn: async () =>
      (await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, { parentId: parent?.entityId, limit: 1 })).data[0] ?? null,
    enabled: parent !== undefined,
    ...rarely,
  });
  if (tops.data && !parent) return null;
  if (got.data === undefined) return got.isError ? null : undefined;
  const type = s.types.get(got.data?.entityTypeId ?? "");
  return type && keyOf(type) ? type : null;
}
