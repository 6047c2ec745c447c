import { add } from "../api/amount";
import type { Amount } from "../api/json";
import type { Series } from "../api/types";

export type Point = { timestamp: string; value: Amount };
/** One name of a grouping with its usage in each step, and what it is made of; untold: it is not known whom it named. */
export type Line = { id: string; name: string; untold: boolean; points: Point[]; total: Amount; parts: Line[] };

const totalOf = (points: Point[]) => points.reduce<Amount>((sum, p) => add(sum, p.value), 0);

/** Adds series up, step by step. */
function sum(series: Series[]): Point[] {
  const by = new Map<string, Amount>();
  for (const s of series) for (const p of s.points) by.set(p.timestamp, add(by.get(p.timestamp) ?? 0, p.value));
  return [...by].map(([timestamp, value]) => ({ timestamp, value })).sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
}

/** Series by their first tag, and within it by the next; the most used first. keys are those that name entities. */
export function grouped(series: Series[], keys: ReadonlySet<string> = new Set(), depth = 0): Line[] {
  const by = new Map<string, Series[]>();
  for (const s of series) {
    if (s.points.length === 0) continue;
    const name = isUntold(s, keys, depth) ? "\0" : (s.tags[depth]?.value ?? "");
    const list = by.get(name);
    if (list) list.push(s);
    else by.set(name, [s]);
  }
  const lines = [...by].map(([name, list]): Line => {
    const points = sum(list);
    const deeper = list.some(s => s.tags.length > depth + 1);
    const untold = name === "\0";
    return { id: untold ? "" : name, name, untold, points, total: totalOf(points), parts: deeper ? grouped(list, keys, depth + 1) : [] };
  });
  return lines.sort((a, b) => Number(b.total) - Number(a.total));
}

function isUntold(s: Series, keys: ReadonlySet<string>, depth: number): boolean {
  const tag = s.tags[depth];
  return s.untold === true && tag?.value === "" && keys.has(tag.key);
}

export type Span = { label: string; days: number; granularity: "HOUR" | "DAY" | "WEEK" };

/** When a span of time begins: with a whole day, or hour, of the reader's. */
export function startOf(span: Span, now = new Date()): string {
  const at = new Date(now);
  if (span.granularity === "HOUR") {
    at.setHours(at.getHours() - 23, 0, 0, 0);
  } else {
    at.setHours(0, 0, 0, 0);
    at.setDate(at.getDate() - span.days + 1);
  }
  return at.toISOString();
}
