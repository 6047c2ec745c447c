import { decimal, nano } from "../api/amount";
import { type Amount, Exact } from "../api/json";
import { readAmount } from "../api/typed";
import type { Session } from "./sessiontype";

// How a limit is shared out over those below it. What is shared is shared wholly: the parts
// add up to it, to the last digit.

/** In what steps an amount is cut into so many parts: a thousandth of a part or finer, so that figures stay short. */
function stepOf(total: bigint, parts: bigint): bigint {
  let step = 1n;
  while (total % (step * 10n) === 0n && total / (step * 10n) >= 1000n * parts) step *= 10n;
  return step;
}

/** An amount over parts as their weights are; null where all of them weigh nothing. */
export function byWeights(total: Amount, weights: Amount[]): Exact[] | null {
  const whole = nano(total);
  const w = weights.map(nano).map(n => (n > 0n ? n : 0n));
  const sum = w.reduce((a, b) => a + b, 0n);
  if (sum === 0n || whole < 0n) return null;
  const step = stepOf(whole, BigInt(w.length));
  const steps = whole / step;
  const cut = w.map(n => (steps * n) / sum);
  let rest = steps - cut.reduce((a, b) => a + b, 0n);
  // What is left over goes to those that lost most by cutting.
  const lost = w.map((n, i) => ({ i, by: (steps * n) % sum })).sort((a, b) => (a.by < b.by ? 1 : a.by > b.by ? -1 : a.i - b.i));
  for (const { i } of lost) {
    if (rest <= 0n) break;
    cut[i] = (cut[i] ?? 0n) + 1n;
    rest--;
  }
  // Who weighs anything gets something: a share of 0 would stop him.
  for (const [i, n] of w.entries()) {
    if (n === 0n || cut[i] !== 0n) continue;
    const most = cut.reduce((m, x, j) => (x > (cut[m] ?? 0n) ? j : m), 0);
    if ((cut[most] ?? 0n) < 2n) break;
    cut[most] = (cut[most] ?? 0n) - 1n;
    cut[i] = 1n;
  }
  return cut.map(n => new Exact(decimal(n * step)));
}

/** An amount in equal parts, but for the last digit. */
export const evenly = (total: Amount, parts: number): Exact[] =>
  byWeights(
    total,
    Array.from({ length: parts }, () => 1),
  ) ?? [];

/** "+10" or "-2.5", as the reader's language writes it; null when it is no percentage that can be taken exactly. */
export function readPercent(text: string): number | null {
  const m = /^([+-]?)(.*)$/.exec(text.trim().replace(/^\u2212/, "-"));
  const { amount } = readAmount((m?.[2] ?? "").replace(/\s*%$/, ""));
  if (!amount || !/^\d{1,4}(\.\d{1,4})?$/.test(amount.text)) return null;
  return Number(`${m?.[1] ?? ""}${amount.text}`);
}

/** An amount changed by a percentage with up to four decimals, exactly and rounded down. */
export function scaled(a: Amount, percent: number): Exact {
  const basis = 1_000_000n + BigInt(Math.round(percent * 10_000));
  return new Exact(decimal((nano(a) * basis) / 1_000_000n));
}

/** Under what shares that are not applied yet are kept. */
export const shareKey = (s: Pick<Session, "draftsOf">, limit: { id: string }) => `share:${s.draftsOf}:${limit.id}`;
