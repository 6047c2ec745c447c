import { formatShort, less } from "../api/amount";
import { count } from "../api/locale";
import type { Forecast, ForecastRow, TreeRow } from "../api/types";
import { dayOnly, shortTime } from "../lib/time";

/** Whether nothing is left of a limit. */
export const isSpent = (r: TreeRow) => r.usageLimit !== null && r.currentUsage !== null && !less(r.currentUsage, r.usageLimit);

/** "90M–102M", or that it is certain to the digit. */
export const rangeWords = (f: Forecast) =>
  f.low && f.high && less(f.low, f.high) ? `${formatShort(f.low)}–${formatShort(f.high)}` : "as steady as ever";

/** When a limit runs out, and between which days that may be. */
export function EndsOn({ row }: { row: ForecastRow }) {
  const f = row.forecast;
  if (!f.runsOutAt) return <span className="muted">not in this period</span>;
  if (isSpent(row)) return <span className="ink-bad">used up</span>;
  const early = f.runsOutEarliest ? dayOnly(f.runsOutEarliest) : "";
  const late = f.runsOutLatest ? dayOnly(f.runsOutLatest) : "later";
  return (
    <span
      title={`${f.step === "HOUR" ? shortTime(f.runsOutAt) : ""} between ${early} and ${late === "later" ? "the end of the period or later" : late}`}
    >
      {f.step === "HOUR" ? shortTime(f.runsOutAt) : dayOnly(f.runsOutAt)}
      {early !== late && (
        <small className="muted">
          {" "}
          {early}–{late === "later" ? "…" : late}
        </small>
      )}
    </span>
  );
}

const reasons: Record<NonNullable<Forecast["refused"]>, string> = {
  HISTORY_TOO_SHORT: "too early to tell",
  WINDOW_TOO_SHORT: "its period is too short to tell",
  SCOPED: "not told for limits on one model or the like",
  NOT_ADDITIVE: "not told for what does not add up",
  TOO_MUCH_TO_READ: "too much usage to read",
  LIMIT_GONE: "the limit is gone",
};

/** Why nothing is expected of a limit. */
export function refusedWords(f: Forecast): string {
  if (f.refused !== "HISTORY_TOO_SHORT") return f.refused ? reasons[f.refused] : "more than a year from now";
  const least = f.step === "HOUR" ? 48 : 7;
  const left = least - f.steps;
  return `too early to tell: ${count(left)} more ${f.step === "HOUR" ? "hour" : "day"}${left === 1 ? "" : "s"} of usage needed`;
}

/** Of how many limits nothing is expected, by why. */
export function refusals(rows: ForecastRow[]): { words: string; limits: number }[] {
  const by = new Map<string, number>();
  for (const { forecast: f } of rows) if (f.refused) by.set(refusedWords(f), (by.get(refusedWords(f)) ?? 0) + 1);
  return [...by].map(([words, limits]) => ({ words, limits })).sort((a, b) => b.limits - a.limits);
}
