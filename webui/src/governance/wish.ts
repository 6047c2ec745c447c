export const other = "dimension";

/** What is asked of usage: told apart by what, and over which days. */
export type Wish<R extends string> = {
  by: string;
  next: string;
  dimension: string;
  range: R;
  first: string;
  last: string;
  compare: boolean;
};

/**
 * What an address asks for; what it leaves out is as it begins. A key that is none of those
 * to choose from is a dimension, of which there is one.
 */
export function wishOf<R extends string>(
  search: string,
  begin: { by: string; range: R },
  ranges: readonly R[],
  keys: ReadonlySet<string>,
): Wish<R> {
  const q = new URLSearchParams(search);
  let dimension = q.get("dimension") ?? "";
  const keyOf = (k: string, taken: boolean) => {
    if (k === "" || k === other || keys.has(k)) return k;
    if (taken && dimension !== k) return "";
    dimension = k;
    return other;
  };
  const by = keyOf(q.get("by") ?? begin.by, false);
  return {
    by,
    next: keyOf(q.get("then") ?? "", by === other),
    dimension,
    range: ranges.find(r => r === q.get("range")) ?? begin.range,
    first: q.get("first") ?? "",
    last: q.get("last") ?? "",
    compare: q.get("compare") !== "no",
  };
}

export function addressOf<R extends string>(from: string, w: Wish<R>, capability: string): string {
  const url = new URL(from);
  const put = (k: string, v: string) => (v ? url.searchParams.set(k, v) : url.searchParams.delete(k));
  put("of", capability);
  url.searchParams.set("by", w.by);
  put("then", w.next);
  put("dimension", w.by === other || w.next === other ? w.dimension : "");
  put("range", w.range);
  put("first", w.range === "days" ? w.first : "");
  put("last", w.range === "days" ? w.last : "");
  put("compare", w.compare ? "" : "no");
  return url.href;
}
