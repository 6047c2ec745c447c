import { isStatus, path } from "../api/client";
import { encode } from "../api/json";
import type { Assignment, Entity, One } from "../api/types";
import { inTurns } from "../lib/turns";
import { inputOf, type LimitInput, type LimitMember } from "./limit";
import type { Session } from "./session";

/** Somebody has changed again what was to be taken back; nothing was written. */
export class ChangedSince extends Error {
  constructor(what: string) {
    super(`${what} was changed again since; undo that first, or edit it`);
  }
}

const fields = ["usageLimit", "cadence", "enforcement", "alertThresholds", "timezone", "anchor", "allocation"] as const;
/** A member that is missing above is named here by the compiler: a change of it alone would not be taken back. */
export type Forgotten = None<Exclude<LimitMember, (typeof fields)[number]>>;
type None<T extends never> = T;
const value = (a: Assignment, f: (typeof fields)[number]) => encode(inputOf(a)[f]);

/** The fields in which two states of a limit differ. */
export const differing = (a: Assignment, b: Assignment) => fields.filter(f => value(a, f) !== value(b, f));

type Step = { id: string; put: LimitInput | null; ifMatch: string };

/**
 * What takes one change of a limit back, and no other: the fields that it changed, where they
 * are still as it left them. Null where there is nothing to do.
 */
export function stepBack(before: Assignment | undefined, after: Assignment, now: Assignment | null): Step | null {
  const what = "The limit";
  if (!before) {
    if (now && differing(now, after).length > 0) throw new ChangedSince(what);
    return now && { id: now.id, put: null, ifMatch: now.revision };
  }
  const changed = differing(before, after);
  if (changed.length === 0) return null;
  if (!now || changed.some(f => value(now, f) !== value(after, f))) throw new ChangedSince(what);
  const old = inputOf(before);
  const put = { ...inputOf(now), ...Object.fromEntries(changed.map(f => [f, old[f]])), ifMatch: now.revision };
  return { id: now.id, put, ifMatch: now.revision };
}

const chunk = 100;
const fewEnough = 60;

/** Takes a write of limits back, wholly or not at all, as long as nothing else has changed what it changed. */
export async function undoLimits(s: Session, before: Assignment[], after: Assignment[]): Promise<void> {
  const target = path`/customers/${s.customerId}/assignments`;
  const was = new Map(before.map(a => [a.id, a]));
  const now = await present(s, target, after);
  const steps = after.flatMap((a, i) => stepBack(was.get(a.id), a, now[i] ?? null) ?? []);
  for (const step of steps) if (!step.put) await s.api.delete(`${target}/${encodeURIComponent(step.id)}`, step.ifMatch);
  const puts = steps.flatMap(step => step.put ?? []);
  for (let i = 0; i < puts.length; i += chunk) await s.api.put(target, { assignments: puts.slice(i, i + chunk) });
}

async function present(s: Session, target: string, limits: Assignment[]): Promise<(Assignment | null)[]> {
  if (limits.length > fewEnough) {
    const all = new Map((await s.api.all<Assignment>(target, {}, 500_000)).map(a => [a.id, a]));
    return limits.map(a => all.get(a.id) ?? null);
  }
  return inTurns(limits, async a => {
    try {
      return (await s.api.get<One<Assignment>>(`${target}/${encodeURIComponent(a.id)}`)).data;
    } catch (e) {
      if (isStatus(e, 404)) return null;
      throw e;
    }
  });
}

/** Sets a deleted limit again, unless another stands in its place. */
export async function undoDelete(s: Session, limit: Assignment): Promise<void> {
  const target = path`/customers/${s.customerId}/assignments`;
  const same = (a: Assignment) =>
    a.featureId === limit.featureId &&
    a.currencyId === limit.currencyId &&
    a.label === limit.label &&
    encode([...a.scopeEntityIds].sort()) === encode([...limit.scopeEntityIds].sort());
  const there = await s.api.all<Assignment>(target, { entityId: limit.entityId });
  if (there.some(same)) throw new ChangedSince("The limit");
  await s.api.put(target, { assignments: [{ ...inputOf(limit), ifMatch: "none" }] });
}

/** Takes back what one write set of an entity. */
export async function undoEntity<K extends "displayName" | "parentId">(
  s: Session,
  before: Entity,
  field: K,
  set: Entity[K],
): Promise<void> {
  const target = path`/customers/${s.customerId}/entities/${before.id}`;
  const now = (await s.api.get<One<Entity>>(target)).data;
  if ((now[field] ?? "") !== (set ?? "")) throw new ChangedSince(before.displayName ?? before.id);
  await s.api.patch(target, { [field]: field === "displayName" ? (before[field] ?? "") : before[field] }, now.revision);
}
