import { decimal, nano } from "./amount";
import { Exact } from "./json";
import { type NumberStyle, reader, styled } from "./locale";

/** What a person typed: the amount it means, or why it has no one meaning. */
export type Typed = { amount: Exact; problem: null } | { amount: null; problem: string | null };

const anySpace = /[\s\u00a0\u2009\u202f]/;
const apostrophes = /['\u2019\u02bc]/;
const allowed = /^[\d.,'\u2019\u02bc_\s\u00a0\u2009\u202f\u066b\u066c]+$/;

/**
 * Reads an amount as the reader's language writes it. What could be meant in two ways, or is
 * grouped in a way that nobody writes, is refused: it is money. Empty is no amount and no problem.
 */
export function readAmount(input: string, style: NumberStyle = reader()): Typed {
  const text = ascii(input.trim(), style);
  if (text === "") return { amount: null, problem: null };
  const no = (problem: string): Typed => ({ amount: null, problem });
  const example = `Here it is ${styled("3000", style)} and ${styled("2.5", style)}`;
  if (/^[-\u2212]/.test(text)) return no("An amount is never below 0");
  if (!allowed.test(text)) return no(`Digits only. ${example}`);
  const strange = [...text].find(c => /[.,]/.test(c) && c !== style.decimal && c !== style.group);
  if (strange) return no(`“${strange}” could mean two things. ${example}`);
  const [whole = "", fraction = "", ...more] = text.split(style.decimal);
  if (more.length > 0 || !/^\d*$/.test(fraction)) return no(`“${style.decimal}” goes once, before the decimals. ${example}`);
  const digits = ungrouped(whole, style);
  if (digits === null) return no(`Not grouped in thousands. ${example}`);
  if (digits === "" && fraction === "") return no(`A number from 0. ${example}`);
  if (ambiguous(digits, fraction, style)) {
    const less = styled(decimal(nano(`${digits}.${fraction}`)), style, false);
    return no(
      `This could mean ${less} or ${styled(digits + fraction, style)}. Write ${less} or ${styled(digits + fraction, style, false)}`,
    );
  }
  if (fraction.length > 9 || digits.replace(/^0+/, "").length > 15) return no("At most 15 digits and 9 decimals");
  return { amount: new Exact(decimal(nano(`${digits || "0"}.${fraction || "0"}`))), problem: null };
}

/** Digits of the reader's script as 0 to 9. */
function ascii(text: string, style: NumberStyle): string {
  let out = text;
  for (const [i, d] of style.digits.entries()) out = out.replaceAll(d, String(i));
  return out;
}

/** The digits of a whole part; null when it is not grouped as the style, or everybody, does. */
function ungrouped(whole: string, style: NumberStyle): string | null {
  if (/^\d*$/.test(whole)) return whole;
  const separators = [...whole.matchAll(/\D/g)].map(m => m[0]);
  const first = separators[0] ?? "";
  const kind = (s: string) => (anySpace.test(s) ? " " : apostrophes.test(s) ? "'" : s);
  if (separators.some(s => kind(s) !== kind(first))) return null;
  if (kind(first) !== kind(style.group) && !/[ '_]/.test(kind(first))) return null;
  const groups = whole.split(/\D/);
  const sizes = groups.map(g => g.length);
  const fits = (last: number, others: number) =>
    sizes.every((n, i) => (i === sizes.length - 1 ? n === last : i === 0 ? n >= 1 && n <= others : n === others));
  return fits(3, 3) || fits(style.last, style.others) ? groups.join("") : null;
}

/** 3.000 where a point is decimal: nobody writes three so, and half the world writes three thousand so. */
const ambiguous = (digits: string, fraction: string, style: NumberStyle) =>
  /^\d\d0$/.test(fraction) && /^[1-9]\d{0,2}$/.test(digits) && /[.,]/.test(style.decimal);

/** An amount as the text of a field, to be edited: as the reader would type it. */
export const editable = (a: number | string, style: NumberStyle = reader()): string => styled(decimal(nano(a)), style, false);

const small = [
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(
    " ",
  ),
  "- - twenty thirty forty fifty sixty seventy eighty ninety".split(" "),
] as const;
const large = ["", " thousand", " million", " billion", " trillion"];

function below1000(n: number): string {
  const rest = n % 100;
  const tens = rest < 20 ? small[0][rest] : small[1][Math.floor(rest / 10)] + (rest % 10 ? `-${small[0][rest % 10]}` : "");
  if (n < 100) return tens ?? "";
  return `${small[0][Math.floor(n / 100)]} hundred${rest ? ` ${tens}` : ""}`;
}

/** An amount in words: "three thousand", "one point five". */
export function inWords(a: Exact): string {
  const [whole = "0", fraction] = a.text.split(".");
  const groups: string[] = [];
  for (let rest = BigInt(whole), i = 0; rest > 0n; rest /= 1000n, i++) {
    const n = Number(rest % 1000n);
    if (n > 0) groups.unshift(below1000(n) + (large[i] ?? ""));
  }
  const point = fraction ? ` point ${[...fraction].map(d => small[0][Number(d)]).join(" ")}` : "";
  return (groups.join(" ") || "zero") + point;
}

const machine = /^(\d+)(?:\.(\d+))?$/;

/**
 * An amount of a file: digits, and a point before decimals, as an export writes it. Anything
 * else that looks like a number may have been written by another language's rules.
 */
export function readPlain(input: string): Exact | null {
  const m = machine.exec(input.trim());
  if (!m) return null;
  const [, whole = "", fraction = ""] = m;
  // An export ends no decimals with 0: three of them were thousands.
  if (/^\d\d0$/.test(fraction) || fraction.length > 9 || whole.replace(/^0+/, "").length > 15) return null;
  return new Exact(decimal(nano(`${whole}.${fraction || "0"}`)));
}
