import { type Amount, Exact } from "./json";
import { reader, styled } from "./locale";

// Arithmetic on amounts is on whole billionths, as in the server: nothing is rounded.
const scale = 1_000_000_000n;
const plain = /^(-?)(\d+)(?:\.(\d+))?$/;

/** The amount in billionths. More than nine decimals, which the server never sends, are cut. */
export function nano(a: Amount): bigint {
  let text = String(a);
  if (typeof a === "number" && /e/.test(text)) text = a.toFixed(9);
  const m = plain.exec(text);
  if (!m) throw new Error(`not an amount: ${text}`);
  const n = BigInt(m[2] ?? "0") * scale + BigInt((m[3] ?? "").slice(0, 9).padEnd(9, "0"));
  return m[1] ? -n : n;
}

/** The exact decimal text of a number of billionths. */
export function decimal(n: bigint): string {
  const abs = n < 0n ? -n : n;
  const fraction = (abs % scale).toString().padStart(9, "0").replace(/0+$/, "");
  return `${n < 0n ? "-" : ""}${abs / scale}${fraction && `.${fraction}`}`;
}

/** An amount as a value to send back. */
export const asExact = (a: Amount): Exact => new Exact(decimal(nano(a)));

/** All digits, grouped as the reader writes them: 1,234,567.5 */
export const formatExact = (a: Amount): string => styled(decimal(nano(a)), reader());

const units: [bigint, string][] = [
  [10n ** 12n, "T"],
  [10n ** 9n, "B"],
  [10n ** 6n, "M"],
  [10n ** 3n, "k"],
];

/** Short enough for a cell: 1,234.5 · 12.3k · 4.56M. Cut, never rounded up, so that what is left is not overstated. */
export function formatShort(a: Amount): string {
  const n = nano(a);
  const sign = n < 0n ? "-" : "";
  const abs = n < 0n ? -n : n;
  if (abs < 10_000n * scale) {
    const places = abs >= 1000n * scale ? 1 : abs >= scale ? 2 : 4;
    const cut = 10n ** BigInt(9 - places);
    const text = formatExact(decimal((abs / cut) * cut));
    return abs > 0n && abs < cut ? `${sign}<${formatExact("0.0001")}` : sign + text;
  }
  for (const [size, suffix] of units) {
    if (abs < size * scale) continue;
    const hundredths = (abs * 100n) / (size * scale);
    const places = hundredths >= 10_000n ? 0 : hundredths >= 1000n ? 1 : 2;
    const cut = 10n ** BigInt(2 - places);
    const shown = (hundredths / cut) * cut;
    return sign + formatExact(decimal((shown * scale) / 100n)) + suffix;
  }
  return formatExact(a);
}

/** part ÷ whole as a percentage for bars; 100 when the whole is 0 and something is in it. */
export function percent(part: Amount, whole: Amount): number {
  const w = nano(whole);
  const p = nano(part);
  if (w <= 0n) return p > 0n ? 100 : 0;
  return Number((p * 10_000n) / w) / 100;
}

export const add = (a: Amount, b: Amount): Amount => decimal(nano(a) + nano(b));
export const sub = (a: Amount, b: Amount): Amount => decimal(nano(a) - nano(b));
export const isZero = (a: Amount): boolean => nano(a) === 0n;
export const less = (a: Amount, b: Amount): boolean => nano(a) < nano(b);

/** The amount as a double, for drawing only. */
export const approx = (a: Amount): number => Number(a);

/** A utilization of 0.8333 as "83%"; cut below a threshold so that 99.9 % is not shown as 100 %. */
export function formatRatio(u: number): string {
  const p = u * 100;
  if (p > 0 && p < 1) return "<1%";
  if (p > 9999) return `>${formatExact(9999)}%`;
  return `${Math.floor(p + 1e-9)}%`;
}

/** By how much one amount is another: "+12.5%", "unchanged"; of 0 there is nothing to say. */
export function differenceWords(was: Amount, is: Amount): string {
  const [a, b] = [nano(was), nano(is)];
  if (a === b) return "unchanged";
  if (a === 0n) return "";
  const p = Number(((b - a) * 1000n) / a) / 10;
  return `${b < a ? "-" : "+"}${formatExact(Math.abs(p))}%`;
}
