import { dateFormat } from "../api/locale";

const units: Record<string, string> = { M: "month", Y: "year", D: "day", W: "week" };

/** An ISO duration in words: P1M is "month", PT15M "15 min". */
export function cadenceWords(cadence: string): string {
  const m = /^P(T?)(\d+)([MHDWY])$/.exec(cadence);
  if (!m) return cadence;
  const n = Number(m[2]);
  if (m[3] === "Y" && n >= 100) return "all time";
  const unit = m[1] ? (m[3] === "M" ? "min" : "hour") : (units[m[3] ?? ""] ?? "");
  if (n === 1) return unit === "min" ? "minute" : unit;
  return `${n} ${unit}${unit === "min" ? "" : "s"}`;
}

/** The cadences that are offered by name. */
export const cadences = ["PT15M", "PT1H", "P1D", "P1W", "P1M", "P1Y", "P100Y"];

/** A choice of how often a limit resets, where no other cadence can be typed. */
export const cadenceOptions = ["PT1H", "P1D", "P1W", "P1M", "P1Y"].map(c => [c, cadenceWords(c)] as const);

/** ISO durations, the shortest first. */
export function byLength(cadences: string[]): string[] {
  const day = { H: 1 / 24, D: 1, W: 7, M: 30, Y: 365 } as Record<string, number>;
  const length = (c: string) => {
    const m = /^P(T?)(\d+)([MHDWY])$/.exec(c);
    return m ? Number(m[2]) * (m[1] && m[3] === "M" ? 1 / 1440 : (day[m[3] ?? ""] ?? 0)) : 0;
  };
  return [...cadences].sort((a, b) => length(a) - length(b));
}

/** How often a limit of a cadence begins anew: P1D is "per day". */
export function perCadence(cadence: string): string {
  const words = cadenceWords(cadence);
  return words === "all time" ? "for all time" : `per ${words}`;
}

/** "in 3 d", "in 12 min"; distances are cut, so that nothing is promised too early. */
export function until(iso: string, now = Date.now()): string {
  const s = Math.floor((Date.parse(iso) - now) / 1000);
  if (Number.isNaN(s)) return "";
  if (s <= 0) return "now";
  if (s > 40 * 365 * 86_400) return "never";
  return `in ${span(s)}`;
}

export function since(iso: string | number, now = Date.now()): string {
  const t = typeof iso === "number" ? iso : Date.parse(iso);
  const s = Math.max(0, Math.floor((now - t) / 1000));
  return s < 2 ? "just now" : `${span(s)} ago`;
}

function span(s: number): string {
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  if (s < 730 * 86_400) return `${Math.floor(s / 86_400)} d`;
  return `${Math.floor(s / (365 * 86_400))} y`;
}

const short = dateFormat({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const long = dateFormat({ dateStyle: "medium", timeStyle: "long" });
const dateOnly = dateFormat({ day: "numeric", month: "short", year: "numeric" });
const weekday = dateFormat({ weekday: "short", day: "numeric", month: "short" });
const dayMonth = dateFormat({ day: "numeric", month: "short" });

/** The reader's time zone, in which every time on these pages is shown. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** A day that begins at an instant, where the reader is: "Sat, 28 Nov". */
export const dayWords = (iso: string) => weekday(new Date(iso));

/** The day of an instant, where the reader is: "28 Nov". */
export const dayOnly = (iso: string) => dayMonth(new Date(iso));

export const shortTime = (iso: string) => short(new Date(iso));
export const longTime = (iso: string) => long(new Date(iso));
export const day = (iso: string) => dateOnly(new Date(iso));

/** The value of a datetime-local field, in the reader's zone, as an instant. */
export const fromLocal = (value: string): string | undefined => (value ? new Date(value).toISOString() : undefined);

/** An instant as the value of a datetime-local field, in the reader's zone, cut to the minute. */
export function toLocal(iso: string): string {
  const t = new Date(iso);
  return new Date(t.getTime() - t.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
