import { type Api, path } from "../api/client";
import type { Entity, One } from "../api/types";

/** An entity below its ancestors, root first. What the credential may not see ends the line. */
export async function lineage(api: Api, customerId: string, entityId: string): Promise<Entity[]> {
  const up: Entity[] = [];
  for (let id: string | null = entityId; id !== null && up.length < 10; ) {
    const got: One<Entity> = await api.get<One<Entity>>(path`/customers/${customerId}/entities/${id}`);
    up.unshift(got.data);
    id = got.data.parentId;
  }
  return up;
}
