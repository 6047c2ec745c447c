import { useQuery } from "@tanstack/react-query";
import { path } from "../api/client";
import type { Entity, One } from "../api/types";
import { inTurns, useSession } from "./session";

/** The display names of entities, as they become known; the id until then. */
export function useNames(ids: string[]): (id: string) => string {
  const s = useSession();
  const wanted = [...new Set(ids)].sort().slice(0, 60);
  const got = useQuery({
    queryKey: ["names", s.customerId, wanted],
    queryFn: async () => {
      const entities = await inTurns(wanted, id =>
        s.api.get<One<Entity>>(path`/customers/${s.customerId}/entities/${id}`).then(
          e => e.data,
          () => null,
        ),
      );
      return new Map(entities.flatMap(e => (e?.displayName ? [[e.id, e.displayName] as const] : [])));
    },
    enabled: wanted.length > 0,
    staleTime: 60_000,
    placeholderData: before => before,
  });
  return id => got.data?.get(id) ?? id;
}
