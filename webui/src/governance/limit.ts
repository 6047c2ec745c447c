import { add, asExact, less } from "../api/amount";
import { isStatus, path } from "../api/client";
import type { Amount, Exact } from "../api/json";
import type { Assignment, Capability, Enforcement, One, TreeRow } from "../api/types";
import { inTurns } from "../lib/turns";
import type { Session } from "./sessiontype";

/** A limit as the input that would set it again. */
export function inputOf(a: Assignment): Whole {
  return {
    entityId: a.entityId,
    ...(a.featureId ? { featureId: a.featureId } : { currencyId: a.currencyId }),
    scopeEntityIds: a.scopeEntityIds,
    label: a.label,
    usageLimit: a.usageLimit === null ? null : asExact(a.usageLimit),
    cadence: a.cadence,
    enforcement: a.enforcement,
    alertThresholds: a.alertThresholds,
    timezone: a.timezone,
    anchor: a.anchor,
    allocation: a.allocation,
  };
}

/** Whether a limit and its boosts leave nothing of what was used. A highest value that is as high as the limit still passes. */
export const usedUp = (used: Amount, limit: Amount, boosts: Amount, counts?: Capability["counts"]): boolean =>
  counts === "highest" ? less(add(limit, boosts), used) : !less(used, add(limit, boosts));

export type LimitInput = {
  entityId: string;
  featureId?: string;
  currencyId?: string;
  scopeEntityIds?: string[];
  label?: string;
  usageLimit?: Exact | null;
  cadence?: string;
  enforcement?: Enforcement;
  alertThresholds?: number[];
  /** null: the customer's. */
  timezone?: string | null;
  anchor?: string | null;
  allocation?: "none" | "strict";
  /** The revision that it is based on; "none": there is no such limit yet. */
  ifMatch?: string;
  /** Of a new one: whether what was used in its first period so far counts. */
  countFrom?: "now" | "periodStart";
};

/** What a limit says, beside which limit it is and how it is written. */
export type LimitMember = Exclude<
  keyof LimitInput,
  "entityId" | "featureId" | "currencyId" | "scopeEntityIds" | "label" | "ifMatch" | "countFrom"
>;

/** All that a limit says: nothing is lost where it is set again. */
type Whole = LimitInput & Required<Pick<LimitInput, LimitMember>>;

/** A limit as it is now; null where there is none of that id any more. Those by default are read so alone: no list has them. */
export async function readLimit(s: Session, id: string): Promise<Assignment | null> {
  try {
    return (await s.api.get<One<Assignment>>(path`/customers/${s.customerId}/assignments/${id}`)).data;
  } catch (e) {
    if (isStatus(e, 404)) return null;
    throw e;
  }
}

/** The current limits behind some rows of the tree; without those that are gone. */
export async function readLimits(s: Session, rows: TreeRow[]): Promise<Assignment[]> {
  const read = await inTurns(
    rows.flatMap(r => r.assignmentId ?? []),
    id => readLimit(s, id),
  );
  return read.flatMap(a => a ?? []);
}
