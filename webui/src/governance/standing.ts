import { less, nano } from "../api/amount";
import type { EffectiveLimit, Frozen, TreeRow } from "../api/types";
import { perCadence } from "../lib/time";
import type { Ceiling, TreeNode } from "./tree";

export type Status = "ok" | "near" | "full" | "over" | "blocked" | "above" | "frozen" | "untracked" | "unlimited";

/** How an entity stands, and what makes it so where that is not the limit beside it. */
export type Standing = { status: Status; cause: string };

/**
 * How a limit stands by itself. A hard limit with nothing left blocks, also when open holds
 * take the rest; one with less left than what it lately refused is full.
 */
export function alone(l: TreeRow | undefined): Status {
  if (!l) return "untracked";
  if (l.usageLimit === null || l.remaining === null) return "unlimited";
  if (nano(l.remaining) <= 0n) return l.enforcement === "soft" ? "over" : "blocked";
  if (l.status === "ok") return "ok";
  return refusalOf(l) ? "full" : "near";
}

/** The newest refusal of a limit's period for which too little is still left. */
export const refusalOf = (l: TreeRow) => (l.refused && l.remaining !== null && less(l.remaining, l.refused.requested) ? l.refused : null);

/** What decides, in words: "Engineering (12.6M), per month". */
export function causeWords(by: EffectiveLimit): string {
  switch (by.source) {
    case "CREDITS":
      return "The prepaid pool";
    case "CUSTOMER":
      return "The customer's own limit";
    case "FROZEN":
      return `${by.displayName ?? by.entityId ?? "The customer"}, which is frozen,`;
    case "ABOVE":
      return "A limit above, which is not shown to you,";
    default:
      return `${by.displayName ?? by.entityId}, ${by.label ? `“${by.label}” ` : ""}${by.cadence ? perCadence(by.cadence) : ""}`;
  }
}

/** What is frozen and why: "Engineering is frozen: runaway". by has its name, if it is what blocks. */
export function frozenWords(frozen: Frozen, by: EffectiveLimit | null): string {
  const name = by?.source === "FROZEN" ? by.displayName : null;
  return `${frozen.entityId === null ? "The customer" : (name ?? frozen.entityId)} is frozen: ${frozen.reason}`;
}

type Find = (entityId: string, assignmentId: string) => TreeRow | undefined;

/**
 * How an entity stands with all that limits it: the limit shown beside it, what is known of
 * its ancestors, which is live, and what the server said when it was read. find looks up a
 * limit that is shown: what has come free since then blocks nothing any more.
 */
export function standingOf(
  node: Pick<TreeNode, "id" | "effective"> & Partial<Pick<TreeNode, "frozen">>,
  limit: TreeRow | undefined,
  ceiling: Ceiling | null,
  find: Find = () => undefined,
): Standing {
  const own = alone(limit);
  const frozen = limit?.frozen ?? node.frozen;
  if (frozen) return { status: "frozen", cause: frozenWords(frozen, (limit?.effective ?? node.effective)?.by ?? null) };
  if (own === "blocked") return { status: own, cause: "" };
  if (ceiling && nano(ceiling.remaining) <= 0n) return { status: "above", cause: ceiling.node.name ?? ceiling.node.id };
  const e = limit?.effective ?? node.effective;
  const by = e?.by;
  if (!e || !by || by.assignmentId === limit?.assignmentId) return { status: own, cause: "" };
  const cause = causeWords(by);
  const mine = by.entityId === node.id;
  if (e.status === "blocked" && !free(by, find)) return { status: mine ? "blocked" : "above", cause };
  if (e.status === "warning" && (own === "ok" || own === "untracked" || own === "unlimited")) return { status: "near", cause };
  return { status: own, cause: "" };
}

function free(by: EffectiveLimit, find: Find): boolean {
  const now = by.entityId !== null && by.assignmentId !== null ? find(by.entityId, by.assignmentId) : undefined;
  return now?.remaining != null && nano(now.remaining) > 0n;
}
