// Amounts have up to 24 digits; a JavaScript number keeps about 16. So a JSON number that a
// number would change is read as its text, and written from its text again.

/** An amount as the API sends it: a number where that is exact, else its decimal text. */
export type Amount = number | string;

/** Decimal text that is written into JSON as a number, digit for digit. */
export class Exact {
  constructor(readonly text: string) {}
}

const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

/** JSON.parse, except that numbers too long for a number become strings of their digits. */
export function decode(text: string): unknown {
  return JSON.parse(text.replace(token, t => (t[0] === '"' || exact(t) ? t : `"${t}"`)));
}

function exact(t: string): boolean {
  if (t.length < 16) return true;
  return String(Number(t)) === t;
}

/** JSON.stringify, except that an Exact becomes a number of all its digits. */
export function encode(v: unknown): string {
  if (v instanceof Exact) return v.text;
  if (Array.isArray(v)) return `[${v.map(x => (x === undefined ? "null" : encode(x))).join(",")}]`;
  if (v !== null && typeof v === "object") {
    const members = Object.entries(v).filter(([, x]) => x !== undefined);
    return `{${members.map(([k, x]) => `${JSON.stringify(k)}:${encode(x)}`).join(",")}}`;
  }
  return JSON.stringify(v);
}
