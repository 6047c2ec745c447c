import { decimal, formatExact, nano } from "../api/amount";
import type { Amount } from "../api/json";

/** What a limit's figures are shown as, one beside the other. */
export type Figures = { used: string; held: string; limit: string; remaining: string };

const one = 1_000_000_000n;
const steps = [one / 10_000n, one / 100n, one, one * 1000n, one * 10n ** 6n, one * 10n ** 9n];

/**
 * The figures of a limit in the same steps, so that used, held and remaining add up to the
 * limit as they are shown. What is left is cut, so that it is not overstated; used takes the rest.
 */
export function figuresOf(used: Amount, held: Amount, limit: Amount, remaining: Amount): Figures {
  const [u, h, l, r] = [nano(used), nano(held), nano(limit), nano(remaining)];
  const step = stepOf(u + h + r, [u, h, r]);
  const cut = (n: bigint) => n - (n % step);
  const [left, whole] = [cut(r), cut(l)];
  let [spent, aside] = [cut(u), cut(h)];
  if (u + h + r === l) {
    if (u === 0n) aside = whole - left;
    else spent = whole - aside - left;
  }
  const text = (exact: bigint, shown: bigint) => (shown === 0n && exact > 0n ? `<${inSteps(step, step)}` : inSteps(shown, step));
  return { used: text(u, spent), held: text(h, aside), limit: text(l, whole), remaining: text(r, left) };
}

/** Four digits of the whole or more, and while there is room three of each part, or what shows it at all. */
function stepOf(whole: bigint, parts: bigint[]): bigint {
  let i = steps.length - 1;
  while (i > 0 && whole / (steps[i] ?? 1n) < 1000n) i--;
  for (; i > 0; i--) {
    const [step = 1n, finer = 1n] = [steps[i], steps[i - 1]];
    const least = step > one ? 100n * step : step;
    if (whole / finer >= 10n ** 8n || !parts.some(p => p > 0n && p < least)) break;
  }
  return steps[i] ?? 1n;
}

function inSteps(n: bigint, step: bigint): string {
  if (step <= one) return formatExact(decimal(n));
  for (const [zeros, suffix] of [
    [12n, "T"],
    [9n, "B"],
    [6n, "M"],
    [3n, "k"],
  ] as const) {
    if (n >= one * 10n ** zeros) return formatExact(decimal(n / 10n ** zeros)) + suffix;
  }
  return formatExact(decimal(n));
}
