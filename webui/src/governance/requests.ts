import { useQuery } from "@tanstack/react-query";
import { type Api, path } from "../api/client";
import type { BoostRequest, Page } from "../api/types";

/** How many requests the inbox shows at a time, and how many are counted at most. */
export const most = 100;

const readOpen = (api: Api, customerId: string) =>
  api.get<Page<BoostRequest>>(path`/customers/${customerId}/boost-requests`, { status: "OPEN", limit: most });

/** The requests that are open, the newest first: read when a page begins, after each change, and when its reader comes back. */
export const useOpenRequests = (api: Api, customerId: string) =>
  useQuery({ queryKey: ["requests", customerId, "open"], queryFn: () => readOpen(api, customerId) });

/** How many are open, in words: "3", "100+"; "" where there are none. */
export function openCount(got: Page<BoostRequest> | undefined): string {
  const n = got?.data.length ?? 0;
  return n === 0 ? "" : `${n}${got?.pagination.next ? "+" : ""}`;
}
