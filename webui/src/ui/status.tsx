import {
  ArrowUpFromLine,
  Ban,
  type Check,
  CircleAlert,
  CircleCheck,
  Infinity as Endless,
  Minus,
  Snowflake,
  TriangleAlert,
} from "lucide-react";
import type { BoostRequest, Delivery, Grant, Job, PromotionalEntitlement, Reservation, Webhook } from "../api/types";
import type { Status } from "../governance/standing";

// How statuses are named and look, wherever they are shown.

const limits: Record<Status, [string, typeof Check, string]> = {
  ok: ["OK", CircleCheck, "Well within the limit"],
  near: ["Near", TriangleAlert, "Past its first alert threshold"],
  full: ["At limit", Ban, "Less is left than was asked for lately: such requests are stopped"],
  over: ["Over", CircleAlert, "Past a soft limit: reported, not stopped"],
  blocked: ["Blocked", Ban, "Nothing is left: requests are stopped"],
  frozen: ["Frozen", Snowflake, "Frozen: requests are stopped, whatever the limits say"],
  above: ["Blocked", ArrowUpFromLine, "A limit above has nothing left: requests are stopped"],
  unlimited: ["Counted", Endless, "Counted without a limit"],
  untracked: ["No limit", Minus, "Nothing limits this one itself"],
};

function becauseOf(status: Status, cause: string): string {
  if (status === "frozen") return cause;
  return status === "near" ? `${cause} has little left` : `${cause} has nothing left: requests are stopped`;
}

/** How something stands; cause: what makes it so, where that is something else. */
export function StatusBadge({ status, cause }: { status: Status; cause?: string }) {
  const [word, Icon, why] = limits[status];
  const title = cause ? becauseOf(status, cause) : why;
  const plain = status === "untracked" || status === "unlimited";
  return (
    <span className={`badge ${status} ${plain ? "plain" : ""}`} title={title}>
      <Icon size={14} aria-hidden />
      {word}
      {status === "above" && <span className="hidden"> by {cause || "a limit above"}</span>}
    </span>
  );
}

/** Statuses of what is no limit: those that the API gives and, of grants and jobs, one that follows from what else it says. */
type Statuses = {
  delivery: Delivery["status"];
  grant: Grant["status"] | "USED_UP";
  hold: Reservation["status"];
  job: Job["status"] | "CANCELLING";
  promotion: PromotionalEntitlement["status"];
  request: BoostRequest["status"];
  webhook: Webhook["status"];
};

const statuses: { [Of in keyof Statuses]: Record<Statuses[Of], [name: string, look?: Status]> } = {
  delivery: { PENDING: ["waiting", "near"], SUCCEEDED: ["sent", "ok"], FAILED: ["failed", "blocked"] },
  grant: {
    ACTIVE: ["active"],
    SCHEDULED: ["scheduled"],
    EXPIRED: ["expired"],
    VOIDED: ["voided"],
    PAYMENT_PENDING: ["payment pending"],
    USED_UP: ["used up"],
  },
  hold: { OPEN: ["Open"], COMMITTED: ["Committed"], RELEASED: ["Released"], EXPIRED: ["Expired"] },
  job: {
    QUEUED: ["queued"],
    RUNNING: ["running", "near"],
    CANCELLING: ["ending", "near"],
    SUCCEEDED: ["succeeded", "ok"],
    FAILED: ["failed", "blocked"],
    CANCELLED: ["cancelled"],
  },
  promotion: { Active: ["Active", "ok"], Expired: ["Expired"], Paused: ["Paused"] },
  request: { OPEN: ["Open"], APPROVED: ["Approved"], DECLINED: ["Declined"], WITHDRAWN: ["Withdrawn"], EXPIRED: ["Expired"] },
  webhook: { ENABLED: ["On", "ok"], DISABLED: ["Off"] },
};

export const statusName = <Of extends keyof Statuses>(of: Of, status: Statuses[Of]): string => statuses[of][status][0];

/** All statuses that something may have, with their names, to choose one of. */
export const statusOptions = <Of extends keyof Statuses>(of: Of) =>
  (Object.keys(statuses[of]) as Statuses[Of][]).map(s => [s, statusName(of, s)] as const);

/** A status by its name and look. */
export function Badge<Of extends keyof Statuses>({ of, status }: { of: Of; status: Statuses[Of] }) {
  const [name, look = ""] = statuses[of][status];
  return <span className={`badge ${look}`}>{name}</span>;
}
