import { asExact } from "../api/amount";
import { isStatus, path } from "../api/client";
import { encode } from "../api/json";
import { count } from "../api/locale";
import type { Assignment, Default, Entity, One } from "../api/types";
import { inTurns } from "../lib/turns";
import { inputOf, type LimitInput, type LimitMember, readLimit } from "./limit";
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

/** put: what it is set to. end: whether it is deleted then, as there was none, or one by default, which is given. */
type Step = { now: Assignment; put: LimitInput | null; end: boolean; given: Assignment | null };

/**
 * What takes one change of a limit back, and no other: the fields that it changed, where they
 * are still as it left them. Null where there is nothing to do, or no more.
 */
export function stepBack(before: Assignment | undefined, after: Assignment, now: Assignment | null): Step | null {
  if (!before) {
    if (now && differing(now, after).length > 0) throw new ChangedSince("The limit");
    return now && { now, put: null, end: true, given: null };
  }
  if (before.defaultOf) {
    if (!now) return null;
    const back = differing(now, before).length === 0;
    if (!back && differing(now, after).length > 0) throw new ChangedSince("The limit");
    return { now, put: back ? null : { ...inputOf(before), ifMatch: now.revision }, end: true, given: before };
  }
  const changed = differing(before, after);
  if (now && changed.every(f => value(now, f) === value(before, f))) return null;
  if (!now || changed.some(f => value(now, f) !== value(after, f))) throw new ChangedSince("The limit");
  const old = inputOf(before);
  const put = { ...inputOf(now), ...Object.fromEntries(changed.map(f => [f, old[f]])), ifMatch: now.revision };
  return { now, put, end: false, given: null };
}

const chunk = 100;
const fewEnough = 60;

/** Which limit of its entity one is. */
const placeOf = (a: Assignment) => encode([a.entityId, a.featureId ?? null, a.currencyId ?? null, a.label, [...a.scopeEntityIds].sort()]);

/**
 * Takes a write of limits back, as long as nothing else has changed what it changed. First all
 * say again what was seen before, in one write. Then those end that were made, for which there
 * is no such write; a limit by default holds again where the default still says the same. What
 * could not be ended is told.
 */
export async function undoLimits(s: Session, before: Assignment[], after: Assignment[]): Promise<void> {
  const target = path`/customers/${s.customerId}/assignments`;
  const was = new Map(before.map(a => [placeOf(a), a]));
  const there = await present(s, target, after);
  const steps = after.flatMap((a, i) => stepBack(was.get(placeOf(a)), a, there[i] ?? null) ?? []);
  const puts = steps.filter(step => step.put);
  for (let i = 0; i < puts.length; i += chunk) {
    const part = puts.slice(i, i + chunk);
    const got = await s.api.put<{ data: Assignment[] }>(target, { assignments: part.map(step => step.put) });
    for (const [j, step] of part.entries()) step.now = got.data[j] ?? step.now;
  }
  const ends = steps.filter(step => step.end);
  const other = await otherDefaults(
    s,
    ends.flatMap(step => step.given ?? []),
  );
  const left = await inTurns(ends, async (step): Promise<Left | null> => {
    const who = step.now.entityId;
    if (step.given && other.has(step.given.id)) return { who, given: true, why: "its default was changed since" };
    try {
      await s.api.delete(`${target}/${encodeURIComponent(step.now.id)}`, step.now.revision);
      return null;
    } catch (e) {
      if (isStatus(e, 404)) return null;
      return { who, given: step.given !== null, why: isStatus(e, 409) ? "it was changed again meanwhile" : (e as Error).message };
    }
  });
  const undone = left.flatMap(x => x ?? []);
  if (undone.length > 0) throw new Error(await leftWords(s, undone, after.length));
}

/** A limit that could not be ended. given: it says what the default said, and is the entity's own. */
type Left = { who: string; given: boolean; why: string };

async function leftWords(s: Session, left: Left[], all: number): Promise<string> {
  const names = await inTurns(left.slice(0, 3), x => nameOf(s, x.who));
  const rest = left.length > names.length ? ` and ${count(left.length - names.length)} more` : "";
  const which = `${names.join(", ")}${rest}`;
  const why = [...new Set(left.map(x => x.why))].join("; ");
  const stays = left.every(x => x.given)
    ? `${left.length === 1 ? "has" : "have"} what it was before as a limit of ${left.length === 1 ? "its" : "their"} own`
    : "still stands";
  return `${count(all - left.length)} of ${count(all)} are as before; the limit of ${which} ${stays} (${why})`;
}

const nameOf = (s: Session, id: string) =>
  s.api.get<One<Entity>>(path`/customers/${s.customerId}/entities/${id}`).then(
    e => e.data.displayName ?? id,
    () => id,
  );

/** Those of limits by default whose default says something else now, or is gone. One that a token does not see is taken as it was. */
async function otherDefaults(s: Session, given: Assignment[]): Promise<Set<string>> {
  if (given.length === 0) return new Set();
  const all = new Map((await s.api.all<Default>(path`/customers/${s.customerId}/default-limits`)).map(d => [d.id, d]));
  const says = (d: Default | Assignment) =>
    encode([d.usageLimit === null ? null : asExact(d.usageLimit), d.cadence, d.enforcement, d.alertThresholds, d.timezone, d.anchor]);
  const same = (a: Assignment) => {
    const d = all.get(a.defaultOf?.defaultId ?? "");
    return d ? says(d) === says(a) : s.rights.root !== null && a.defaultOf?.entityId === null;
  };
  return new Set(given.filter(a => !same(a)).map(a => a.id));
}

async function present(s: Session, target: string, limits: Assignment[]): Promise<(Assignment | null)[]> {
  if (limits.length <= fewEnough) return inTurns(limits, a => readLimit(s, a.id));
  const all = new Map((await s.api.all<Assignment>(target, {}, 500_000)).map(a => [a.id, a]));
  return limits.map(a => all.get(a.id) ?? null);
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
