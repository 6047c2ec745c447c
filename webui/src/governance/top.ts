import type { TreeRow } from "../api/types";

/** The one that all else is below, if there is one; else of what type the most at the top are. */
export type Top = { root: TreeRow | null; typeId: string };

export function topOf(roots: TreeRow[]): Top {
  const times = new Map<string, number>();
  for (const r of roots) times.set(r.entityTypeId, (times.get(r.entityTypeId) ?? 0) + 1);
  const typeId = [...times].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
  return { root: roots.length === 1 ? (roots[0] ?? null) : null, typeId };
}
