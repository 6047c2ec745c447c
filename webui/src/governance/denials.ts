import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { less } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import type { Denial, Page, TreeRow } from "../api/types";
import { useSession } from "./session";

/** The requests that were stopped lately, newest first. */
export function useDenials() {
  const s = useSession();
  return useQuery({
    queryKey: ["denials", s.customerId],
    queryFn: () => s.api.get<Page<Denial>>(path`/customers/${s.customerId}/denials`, { limit: 100 }),
    retry: false,
    refetchInterval: 10_000,
  });
}

export type Refusal = { at: string; asked: Amount };

/** What each hard limit has refused lately, newest first, by the limit's id. */
export type Refusals = ReadonlyMap<string, Refusal[]>;

export function useRefusals(): Refusals {
  const list = useDenials().data?.data;
  return useMemo(() => refusalsOf(list ?? []), [list]);
}

export function refusalsOf(denials: Denial[]): Refusals {
  const by = new Map<string, Refusal[]>();
  for (const d of denials) {
    const refused = d.chains.flat().filter(n => !n.isGranted && n.enforcement === "hard");
    for (const [id, asked] of new Map(refused.map(n => [n.assignmentId, n.requested]))) {
      const list = by.get(id) ?? [];
      list.push({ at: d.timestamp, asked });
      by.set(id, list);
    }
  }
  return by;
}

/** The newest refusal of a limit's period for which too little is still left. */
export function refusalOf(limit: TreeRow, refusals: Refusals): Refusal | undefined {
  const { remaining, usagePeriodStart } = limit;
  if (limit.enforcement !== "hard" || remaining === null) return undefined;
  const since = usagePeriodStart === null ? 0 : Date.parse(usagePeriodStart);
  return refusals.get(limit.assignmentId ?? "")?.find(r => Date.parse(r.at) >= since && less(remaining, r.asked));
}
