import { useQuery } from "@tanstack/react-query";
import { path } from "../api/client";
import type { Denial, Page } from "../api/types";
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
