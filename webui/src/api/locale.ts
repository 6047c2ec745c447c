/** How a reader's language writes numbers. */
export type NumberStyle = {
  decimal: string;
  group: string;
  /** How many digits the last group has, and the ones before it: 3 and 2 in India. */
  last: number;
  others: number;
  /** A whole part of fewer digits than this is not grouped. */
  from: number;
  /** The digits 0 to 9. */
  digits: string[];
};

export function numberStyle(locale?: string): NumberStyle {
  const format = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const parts = format.formatToParts(123_456_789.5);
  const groups = parts.filter(p => p.type === "integer").map(p => [...p.value].length);
  const found = (type: string) => parts.find(p => p.type === type)?.value;
  const plain = new Intl.NumberFormat(locale, { useGrouping: false });
  return {
    decimal: found("decimal") ?? ".",
    group: found("group") ?? "",
    last: groups.at(-1) ?? 3,
    others: groups.at(-2) ?? 3,
    from: format.formatToParts(1234).some(p => p.type === "group") ? 4 : 5,
    digits: Array.from({ length: 10 }, (_, i) => plain.format(i)),
  };
}

/** What the machine formats speak, and tests: 1,234.5. */
export const plainStyle = numberStyle("en");

let mine = plainStyle;
let spoken = "en-GB";

/** How the reader of this page writes numbers. */
export const reader = (): NumberStyle => mine;

/** The locale of numbers and dates. */
export const locale = (): string => spoken;

/** Whether there is such a locale. */
export function isLocale(name: string): boolean {
  try {
    return new Intl.Locale(name) !== null;
  } catch {
    return false;
  }
}

/** Sets it, before anything is shown that is written by it. False: there is no such locale, and nothing has changed. */
export function setLocale(next: string): boolean {
  try {
    mine = numberStyle(next);
    spoken = next;
    return true;
  } catch {
    return false;
  }
}

/** Dates as the reader's locale writes them. */
export function dateFormat(options: Intl.DateTimeFormatOptions): (at: Date) => string {
  let made: Intl.DateTimeFormat | undefined;
  let of = "";
  return at => {
    if (!made || of !== spoken) made = new Intl.DateTimeFormat(spoken, options);
    of = spoken;
    return made.format(at);
  };
}

/** Digits and a point, as the style writes them: 1234567.5 is 1.234.567,5 in German. */
export function styled(text: string, style: NumberStyle, grouped = true): string {
  const [sign, abs] = text.startsWith("-") ? ["-", text.slice(1)] : ["", text];
  const [whole = "", fraction] = abs.split(".");
  const local = (s: string) => s.replace(/\d/g, d => style.digits[Number(d)] ?? d);
  const parts: string[] = [];
  let rest = whole;
  if (grouped && style.group && whole.length >= style.from)
    for (let size = style.last; rest.length > size; size = style.others) {
      parts.unshift(rest.slice(-size));
      rest = rest.slice(0, -size);
    }
  const point = fraction ? style.decimal + local(fraction) : "";
  return sign + local([rest, ...parts].join(style.group)) + point;
}

/** A whole number for reading, such as how many there are. */
export const count = (n: number): string => (Number.isSafeInteger(n) ? styled(String(n), mine) : String(n));
