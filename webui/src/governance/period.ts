import { add, nano } from "../api/amount";
import type { Amount } from "../api/json";
import type { Series } from "../api/types";
import { byLength } from "../lib/time";

/** A stretch of time in whole days of the reader's, up to now, and the one before it. */
export type Period = {
  from: Date;
  before: Date;
  days: number;
  /** How many whole days from the beginning of each are compared. */
  like: number;
  was: number;
  /** Whether the last day is over, too. */
  whole?: boolean;
};

const midnight = (at: Date) => new Date(at.getFullYear(), at.getMonth(), at.getDate());
export const plusDays = (at: Date, n: number) => new Date(at.getFullYear(), at.getMonth(), at.getDate() + n);
/** How many midnights are between two days; days have 23 to 25 hours. */
const daysFrom = (a: Date, b: Date) => Math.round((midnight(b).getTime() - midnight(a).getTime()) / 86_400_000);

/** This month of the reader's so far, and as many whole days of the month before, as far as it has them. */
export function thisMonth(now = new Date()): Period {
  const from = new Date(now.getFullYear(), now.getMonth(), 1);
  const before = new Date(now.getFullYear(), now.getMonth() - 1, 1);
  const same = Math.min(daysFrom(from, now), daysFrom(before, from));
  return { from, before, days: daysFrom(from, now) + 1, like: same, was: same };
}

/** So many days up to and with today, and as many before. */
export function lastDays(n: number, now = new Date()): Period {
  const from = plusDays(midnight(now), 1 - n);
  return { from, before: plusDays(from, -n), days: n, like: n - 1, was: n - 1 };
}

/** The week before this one, from Monday. */
export function lastWeek(now = new Date()): Period {
  const monday = plusDays(midnight(now), -((now.getDay() + 6) % 7));
  return { from: plusDays(monday, -7), before: plusDays(monday, -14), days: 7, like: 7, was: 7, whole: true };
}

/** The month before this one, and the whole month before that. */
export function lastMonth(now = new Date()): Period {
  const from = new Date(now.getFullYear(), now.getMonth() - 1, 1);
  const before = new Date(now.getFullYear(), now.getMonth() - 2, 1);
  const days = daysFrom(from, new Date(now.getFullYear(), now.getMonth(), 1));
  return { from, before, days, like: days, was: daysFrom(before, from), whole: true };
}

/** From a day to another, both with it; null where that is no time, or one to come. */
export function between(first: string, last: string, now = new Date()): Period | null {
  const [from, to] = [new Date(`${first}T00:00`), new Date(`${last}T00:00`)];
  const days = daysFrom(from, to) + 1;
  if (!(days > 0) || days > 400 || to > now) return null;
  const whole = daysFrom(to, now) > 0;
  const same = whole ? days : days - 1;
  return { from, before: plusDays(from, -days), days, like: same, was: same, whole };
}

/** By how many milliseconds the window of a limit begins or ends beside a stretch of time. */
export const offBy = (from: Date, to: Date, start: string | null, end: string | null) =>
  Math.max(Math.abs(Date.parse(start ?? "1970-01-01") - from.getTime()), Math.abs(Date.parse(end ?? "1970-01-01") - to.getTime()));

/** When a period ends: at a midnight, or now. */
export const endOf = (p: Period) => (p.whole ? plusDays(p.from, p.days) : new Date());

/** The beginning of each of its days. */
export const daysOf = (p: Period) => Array.from({ length: p.days }, (_, i) => plusDays(p.from, i));

/** What the budgets that matter most begin anew with: a month where there is one, else the longest. */
export function mainCadence(cadences: string[]): string | null {
  const known = byLength([...new Set(cadences)].filter(c => !/^P\d{2,}Y$/.test(c)));
  return known.includes("P1M") ? "P1M" : (known.at(-1) ?? null);
}

/** A group's usage now and before: whole days alone are compared, as today is not over. */
export type Share = { id: string; untold: boolean; total: Amount; days: Amount[]; like: Amount; was: Amount; parts: Share[] };

/** Series of days by their first tag, and within it by the next; the most used first. */
export function sharesOf(series: Series[], p: Period, depth = 0): Share[] {
  const by = new Map<string, { share: Share; of: Series[] }>();
  for (const s of series) {
    const id = s.tags[depth]?.value ?? "";
    const untold = s.untold === true && id === "";
    const key = JSON.stringify([id, untold]);
    const group = by.get(key) ?? {
      share: { id, untold, total: 0, days: Array.from({ length: p.days }, () => 0), like: 0, was: 0, parts: [] },
      of: [],
    };
    by.set(key, group);
    group.of.push(s);
    const { share } = group;
    for (const point of s.points) {
      const at = new Date(point.timestamp);
      const day = daysFrom(p.from, at);
      if (day >= 0 && day < p.days) {
        share.days[day] = add(share.days[day] ?? 0, point.value);
        share.total = add(share.total, point.value);
        if (day < p.like) share.like = add(share.like, point.value);
      } else if (at < p.from && daysFrom(p.before, at) < p.was) {
        share.was = add(share.was, point.value);
      }
    }
  }
  const shares = [...by.values()].map(({ share, of }) => ({
    ...share,
    parts: of.some(s => s.tags.length > depth + 1) ? sharesOf(of, p, depth + 1) : [],
  }));
  return shares.sort((a, b) => compare(b.total, a.total) || compare(b.was, a.was));
}

/** What each group used of a period, from its sums: in all, and in the days that are compared. The most used first. */
export function sumsOf(total: Series[], like: Series[], was: Series[]): Share[] {
  const by = new Map<string, Share>();
  const take = (list: Series[], member: "total" | "like" | "was") => {
    for (const s of list) {
      const id = s.tags[0]?.value ?? "";
      const untold = s.untold === true && id === "";
      const key = JSON.stringify([id, untold]);
      const share = by.get(key) ?? { id, untold, total: 0, days: [], like: 0, was: 0, parts: [] };
      for (const p of s.points) share[member] = add(share[member], p.value);
      by.set(key, share);
    }
  };
  take(total, "total");
  take(like, "like");
  take(was, "was");
  return [...by.values()].sort((a, b) => compare(b.total, a.total) || compare(b.was, a.was));
}

export const compare = (a: Amount, b: Amount) => {
  const d = nano(a) - nano(b);
  return d < 0n ? -1 : d > 0n ? 1 : 0;
};

/** By how much something grew: 0.41 is 41 % more; null where there was nothing before. */
export function growth(now: Amount, before: Amount): number | null {
  const was = nano(before);
  if (was <= 0n) return null;
  return Number(((nano(now) - was) * 10_000n) / was) / 10_000;
}

/** Those that changed most, in amount, up or down. What is not told apart is nobody. */
export function movers(shares: Share[], most: number): Share[] {
  const change = (x: Share) => {
    const d = nano(x.like) - nano(x.was);
    return d < 0n ? -d : d;
  };
  return shares
    .filter(x => x.id !== "" && change(x) > 0n)
    .sort((a, b) => (change(a) < change(b) ? 1 : -1))
    .slice(0, most);
}

/** Each day's running total, as far as the days go. */
export function running(days: Amount[]): number[] {
  let sum = 0n;
  return days.map(d => {
    sum += nano(d);
    return Number(sum) / 1e9;
  });
}
