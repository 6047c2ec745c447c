import { decimal, formatExact, nano } from "../api/amount";
import type { Rate } from "../api/types";

/** A rate's price for a million, exactly: what people know prices by. */
export function perMillion(r: Rate): string {
  return decimal((nano(r.amount) * 1_000_000n) / BigInt(r.per));
}

/** What a rate applies to, as one line; also its identity among the rates of a version. */
export function matchWords(match: Rate["match"]): string {
  return Object.keys(match)
    .sort()
    .map(k => `${k} = ${[match[k] ?? []].flat().join(" or ")}`)
    .join(", ");
}

export type RateDiff = { featureId: string; match: string; before: string | null; after: string | null };

/** How the prices of one version differ from another's. */
export function diffRates(before: Rate[], after: Rate[]): RateDiff[] {
  const key = (r: Rate) => JSON.stringify([r.featureId, matchWords(r.match)]);
  const old = new Map(before.map(r => [key(r), r]));
  const now = new Map(after.map(r => [key(r), r]));
  const out: RateDiff[] = [];
  for (const k of new Set([...now.keys(), ...old.keys()])) {
    const [a, b] = [old.get(k), now.get(k)];
    const r = (b ?? a) as Rate;
    const [was, is] = [a ? perMillion(a) : null, b ? perMillion(b) : null];
    if (was !== is)
      out.push({ featureId: r.featureId, match: matchWords(r.match), before: was && formatExact(was), after: is && formatExact(is) });
  }
  return out;
}

/** "model=a|b, region=eu" as a match; null when it cannot be read. */
export function parseMatch(text: string): Record<string, string[]> | null {
  const match: Record<string, string[]> = {};
  for (const part of text
    .split(",")
    .map(p => p.trim())
    .filter(Boolean)) {
    const [key = "", values = "", ...rest] = part.split("=");
    const list = values
      .split("|")
      .map(v => v.trim())
      .filter(Boolean);
    if (!key.trim() || list.length === 0 || rest.length > 0 || key.trim() in match) return null;
    match[key.trim()] = list;
  }
  return match;
}

export const matchText = (match: Rate["match"]) =>
  Object.entries(match)
    .map(([k, v]) => `${k}=${[v].flat().join("|")}`)
    .join(", ");
