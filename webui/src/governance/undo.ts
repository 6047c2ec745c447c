import { asExact } from "../api/amount";
import { isStatus, Problem, path } from "../api/client";
import { encode } from "../api/json";
import { count } from "../api/locale";
import type { Assignment, Default, Entity, One } from "../api/types";
import { inTurns } from "../lib/turns";
import { inputOf, type LimitInput, type LimitMember, readLimit } from "./limit";
import type { Session } from "./sessiontype";

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
 * are still as it left them. Null where there is nothing to do. half: it says what was before because this was begun.
 */
export function stepBack(before: Assignment | undefined, after: Assignment, now: Assignment | null, half = false): Step | null {
  // Another one of the same place, made since, is not the one that was written.
  const other = now !== null && now.createdAt !== after.createdAt;
  if (!before) {
    if (now && (other || differing(now, after).length > 0)) throw new ChangedSince("The limit");
    return now && { now, put: null, end: true, given: null };
  }
  if (before.defaultOf) {
    if (!now) return null;
    if (other || (!half && differing(now, after).length > 0)) throw new ChangedSince("The limit");
    return { now, put: half ? null : { ...inputOf(before), ifMatch: now.revision }, end: true, given: before };
  }
  const changed = differing(before, after);
  if (changed.length === 0 || (now && changed.every(f => value(now, f) === value(before, f)))) return null;
  if (!now || other || changed.some(f => value(now, f) !== value(after, f))) throw new ChangedSince("The limit");
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
 * say again what was seen before, a hundred in one write. Then those end that were made, for
 * which there is no such write; in the place of a default only where it says the same as before.
 * What is left is told. begun: the revisions that an earlier try has written.
 */
export async function undoLimits(s: Session, before: Assignment[], after: Assignment[], begun: Set<string>): Promise<void> {
  const target = path`/customers/${s.customerId}/assignments`;
  const was = new Map(before.map(a => [placeOf(a), a]));
  const there = await present(s, target, after);
  const steps = after.flatMap((a, i) => {
    const now = there[i] ?? null;
    return stepBack(was.get(placeOf(a)), a, now, now !== null && begun.has(now.revision)) ?? [];
  });
  const given = steps.filter(step => step.given);
  const other = await otherDefaults(
    s,
    given.flatMap(step => step.given ?? []),
  );
  const made = steps.filter(step => step.end && !step.given);
  const puts = steps.filter(step => step.put);
  const left: Left[] = [];
  const end = async (which: Step[]) => left.push(...(await inTurns(which, step => endOf(s, target, step, other))).flatMap(x => x ?? []));
  try {
    // Where what was made takes too much of a strict limit, it ends first.
    if (!(await putBack(s, target, puts, begun, made.length > 0))) {
      await end(made.splice(0));
      await putBack(s, target, puts, begun, false);
    }
  } catch (e) {
    const rest = puts.length + made.length + left.length;
    if (rest === steps.length) throw e;
    const words = `${count(after.length - rest)} of ${count(after.length)} are as before, the others are not: ${(e as Error).message}`;
    throw new LeftOver(words, false, true);
  }
  await end([...made, ...given]);
  if (left.length > 0)
    throw new LeftOver(
      await leftWords(s, left, after.length),
      left.every(x => x.final),
      left.length < after.length,
    );
}

/** Writes again what was before; what is written leaves puts. False: a strict limit had no room for it. */
async function putBack(s: Session, target: string, puts: Step[], begun: Set<string>, mayWait: boolean): Promise<boolean> {
  while (puts.length > 0) {
    const part = puts.slice(0, chunk);
    try {
      const got = await s.api.put<{ data: Assignment[] }>(target, { assignments: part.map(step => step.put) });
      for (const [j, step] of part.entries()) {
        step.now = got.data[j] ?? step.now;
        if (step.given) begun.add(step.now.revision);
      }
    } catch (e) {
      if (mayWait && e instanceof Problem && e.body.code === "AllocationExceeded") return false;
      throw e;
    }
    puts.splice(0, chunk);
  }
  return true;
}

/** A limit that did not end. given: it says what the default said, and is the entity's own. final: no other try ends it. */
type Left = { who: string; given: boolean; final: boolean; why: string };

/** Ends a limit; null where that is done, and a default that it gives way to says what it said before. */
async function endOf(s: Session, target: string, step: Step, other: Set<string>): Promise<Left | null> {
  const left = (why: string, final = false): Left => ({ who: step.now.entityId, given: step.given !== null, final, why });
  const another = "another default, or none, would hold now";
  if (step.given && other.has(step.given.id)) return left(another, true);
  try {
    await s.api.delete(`${target}/${encodeURIComponent(step.now.id)}`, step.now.revision);
    if (!step.given) return null;
    const now = await readLimit(s, step.given.id);
    if (now && differing(now, step.given).length === 0) return null;
    await s.api.put(target, { assignments: [{ ...inputOf(step.given), ifMatch: now?.revision ?? "none" }] });
    return left(another, true);
  } catch (e) {
    if (isStatus(e, 404)) return null;
    return left(isStatus(e, 409) ? "changed again meanwhile" : (e as Error).message);
  }
}

/** What an undo could not take back; final: another try would not, either. */
export class LeftOver extends Error {
  constructor(
    words: string,
    readonly final: boolean,
    /** Others are as before. */
    readonly some: boolean,
  ) {
    super(words);
  }
}

async function leftWords(s: Session, left: Left[], all: number): Promise<string> {
  const words = [`${count(all - left.length)} of ${count(all)} are as before`];
  for (const given of [true, false]) {
    const these = left.filter(x => x.given === given);
    if (these.length === 0) continue;
    const names = await inTurns(these.slice(0, 3), x => nameOf(s, x.who));
    const more = these.length > names.length ? ` and ${count(these.length - names.length)} more` : "";
    const why = [...new Set(these.map(x => x.why))].join("; ");
    words.push(`${names.join(", ")}${more}: ${given ? "the amount of before, but a limit of its own" : "still limited"} (${why})`);
  }
  return words.join(". ");
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
