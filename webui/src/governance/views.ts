// Views of usage that somebody has named: kept in this browser, each customer's by itself.
// A view is what its address says.

export type SavedView = { name: string; query: string };

const members = ["of", "by", "then", "dimension", "range", "first", "last", "compare"] as const;

/** What an address says of usage, always in the same order. */
export function queryOf(search: string): string {
  const from = new URLSearchParams(search);
  const to = new URLSearchParams();
  for (const m of members) {
    const v = from.get(m);
    if (v) to.set(m, v);
  }
  return to.toString();
}

const keyOf = (customerId: string) => `bursar-views:${customerId}`;

export function readViews(customerId: string): SavedView[] {
  try {
    const got: unknown = JSON.parse(localStorage.getItem(keyOf(customerId)) ?? "[]");
    if (!Array.isArray(got)) return [];
    return got.filter(v => typeof v?.name === "string" && typeof v?.query === "string");
  } catch {
    return [];
  }
}

/** Keeps the views of a customer; false where the browser does not let this page keep anything. */
export function writeViews(customerId: string, views: SavedView[]): boolean {
  try {
    localStorage.setItem(keyOf(customerId), JSON.stringify(views));
    return true;
  } catch {
    return false;
  }
}

/** The views with one more, in place of one with its name. */
export const withView = (views: SavedView[], v: SavedView): SavedView[] =>
  [...views.filter(x => x.name !== v.name), v].sort((a, b) => a.name.localeCompare(b.name));
