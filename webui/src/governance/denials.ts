import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { path } from "../api/client";
import type { Denial, DenialSummary, One, Page } from "../api/types";
import { useSession } from "./session";

/** The requests that were stopped lately, or up to an instant, newest first. */
export function useDenials(at: string | null = null) {
  const s = useSession();
  return useQuery({
    queryKey: ["denials", s.customerId, at],
    queryFn: () =>
      s.api.get<Page<Denial>>(path`/customers/${s.customerId}/denials`, {
        limit: 100,
        endDate: at ? new Date(Date.parse(at) + 1).toISOString() : undefined,
      }),
    retry: false,
    refetchInterval: 10_000,
  });
}

/** Which denials are meant. */
export type Wanted = { hours: number; entityId: string; assignmentId: string };

/** How long a time may be, in hours. */
export const ranges = [
  ["1", "Last hour"],
  ["24", "Last 24 hours"],
  ["168", "Last 7 days"],
  ["720", "Last 30 days"],
  ["2160", "Last 90 days"],
] as const;

const since = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
const filter = (w: Wanted) => ({ startDate: since(w.hours), entityId: w.entityId || undefined, assignmentId: w.assignmentId || undefined });

/** Those that are kept, a page after the other. */
export function useKept(w: Wanted) {
  const s = useSession();
  return useInfiniteQuery({
    queryKey: ["kept", s.customerId, w],
    queryFn: ({ pageParam }) =>
      s.api.get<Page<Denial>>(path`/customers/${s.customerId}/denials`, { ...pageParam.filter, limit: 25, after: pageParam.after }),
    // All pages are of one time, as a cursor is of one list.
    initialPageParam: { filter: filter(w), after: undefined as string | undefined },
    getNextPageParam: (last, _, before) => (last.pagination.next ? { ...before, after: last.pagination.next } : undefined),
    retry: 1,
  });
}

/** How many there were, by hour, or by day of a longer time. */
export function useSummary(w: Wanted) {
  const s = useSession();
  return useQuery({
    queryKey: ["summary", s.customerId, w],
    queryFn: () =>
      s.api.get<One<DenialSummary>>(path`/customers/${s.customerId}/denials/summary`, {
        ...filter(w),
        granularity: w.hours > 168 ? "DAY" : "HOUR",
      }),
    retry: 1,
  });
}
