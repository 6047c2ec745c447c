import type { ParseResult } from "papaparse";

// A cell that starts like this is a formula to a spreadsheet.
const formula = /^[=+\-@\t\r]/;

/** A cell as text that no spreadsheet computes: prefixed with an apostrophe where it looks like a formula. */
export const safeCell = (s: string): string => (formula.test(s) ? `'${s}` : s);

/** The inverse of safeCell. */
export const plainCell = (s: string): string => (s[0] === "'" && formula.test(s.slice(1)) ? s.slice(1) : s);

/** The first so many columns are texts, those behind them plain numbers. */
export async function writeCsv(columns: string[], rows: string[][], texts = columns.length): Promise<string> {
  const { unparse } = (await import("papaparse")).default;
  return unparse([columns, ...rows.map(r => r.map((cell, i) => (i < texts ? safeCell(cell) : cell)))], { newline: "\r\n" });
}

/** Rows by column name. */
export async function readCsv(text: string): Promise<{ rows: Record<string, string>[]; problem: string | null }> {
  const { parse } = (await import("papaparse")).default;
  const got: ParseResult<Record<string, string>> = parse(text.replace(/^\ufeff/, ""), {
    header: true,
    skipEmptyLines: "greedy",
    transform: plainCell,
    transformHeader: h => h.trim(),
  });
  const first = got.errors.find(e => e.type !== "Delimiter");
  return { rows: got.data, problem: first ? `Line ${(first.row ?? 0) + 2}: ${first.message}` : null };
}

/** Rows by place, with the number of the line that each begins on; separated by whatever separates them most. */
export async function readRows(text: string): Promise<{ line: number; cells: string[] }[]> {
  const { parse } = (await import("papaparse")).default;
  const got: ParseResult<string[]> = parse(text.replace(/^\ufeff/, ""), { skipEmptyLines: false, transform: plainCell });
  const bad = got.errors.find(e => e.type === "Quotes");
  if (bad) throw new Error(`Line ${(bad.row ?? 0) + 1}: ${bad.message}`);
  return got.data.map((cells, i) => ({ line: i + 1, cells })).filter(r => r.cells.some(c => c.trim() !== ""));
}

export function download(name: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
