import { useQuery, useQueryClient } from "@tanstack/react-query";
import { path } from "../api/client";
import type { ApiKey, Entity, One } from "../api/types";
import { inTurns } from "../lib/turns";
import { useSession } from "./session";

const known = { staleTime: 60_000, gcTime: 10 * 60_000 };

const most = 300;

/** The display names of entities, as they become known; the id until then, and of those behind the first 300. */
export function useNames(ids: string[]): (id: string) => string {
  const s = useSession();
  const client = useQueryClient();
  const wanted = [...new Set(ids)].slice(0, most).sort();
  const nameOf = (id: string) =>
    client.fetchQuery({
      queryKey: ["name", s.customerId, id],
      queryFn: () =>
        s.api.get<One<Entity>>(path`/customers/${s.customerId}/entities/${id}`).then(
          e => e.data.displayName,
          () => null,
        ),
      ...known,
    });
  const got = useQuery({
    queryKey: ["names", s.customerId, wanted],
    queryFn: async () => {
      const names = await inTurns(wanted, nameOf);
      return new Map(wanted.map((id, i) => [id, names[i]]));
    },
    enabled: wanted.length > 0,
    ...known,
    placeholderData: before => before,
  });
  return id => got.data?.get(id) ?? id;
}

/** What API keys are called, for those who may know. */
export function useKeyNames(): (id: string) => string {
  const s = useSession();
  const got = useQuery({
    queryKey: ["key-names"],
    queryFn: async () => new Map((await s.api.all<ApiKey>("/api-keys")).map(k => [k.id, k.name])),
    enabled: s.rights.provision,
    ...known,
  });
  return id => got.data?.get(id) ?? (id === "admin" ? "the admin key" : "an API key");
}
