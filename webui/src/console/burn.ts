import { nano } from "../api/amount";
import type { Grant } from "../api/types";

/** Grants in the order in which they are burned. */
export function burnOrder(grants: Grant[]): Grant[] {
  const kinds = { PROMOTIONAL: 0, RECURRING: 0, PAID: 1, OVERDRAFT: 2 };
  const live = grants.filter(g => g.status === "ACTIVE" && g.grantType !== "OVERDRAFT" && nano(g.consumedAmount) < nano(g.amount));
  const time = (t: string | null) => (t === null ? Number.POSITIVE_INFINITY : Date.parse(t));
  const order = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1);
  return live.sort(
    (a, b) =>
      a.priority - b.priority ||
      order(time(a.expireAt), time(b.expireAt)) ||
      kinds[a.grantType] - kinds[b.grantType] ||
      time(a.effectiveAt) - time(b.effectiveAt) ||
      order(time(a.createdAt), time(b.createdAt)) ||
      (a.id < b.id ? -1 : 1),
  );
}
