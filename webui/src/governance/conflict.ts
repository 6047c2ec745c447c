import { Problem } from "../api/client";
import { editable } from "../api/typed";
import type { Assignment } from "../api/types";

/** What is there now, where a write was based on something else; undefined for any other error. Null: nothing is. */
export function currentOf<T>(e: unknown): T | null | undefined {
  if (!(e instanceof Problem) || e.body.code !== "RevisionMismatch") return undefined;
  return (e.body.conflicts?.[0]?.current ?? null) as T | null;
}

/** What the form of a limit holds. */
export type Draft = {
  amount: string;
  unlimited: boolean;
  cadence: string;
  timezone: string;
  enforcement: Assignment["enforcement"];
  thresholds: string;
  strict: boolean;
};

export const blank: Draft = {
  amount: "",
  unlimited: false,
  cadence: "P1M",
  timezone: "",
  enforcement: "hard",
  thresholds: "",
  strict: false,
};

type Terms = Pick<Assignment, "usageLimit" | "cadence" | "timezone" | "enforcement" | "alertThresholds" | "allocation">;

export const draftOf = (a: Terms | null): Draft =>
  a === null
    ? blank
    : {
        amount: a.usageLimit === null ? "" : editable(a.usageLimit),
        unlimited: a.usageLimit === null,
        cadence: a.cadence,
        timezone: a.timezone,
        enforcement: a.enforcement,
        thresholds: a.alertThresholds.join(", "),
        strict: a.allocation === "strict",
      };

export const words: Record<keyof Draft, string> = {
  amount: "Amount",
  unlimited: "Unlimited",
  cadence: "Resets every",
  timezone: "Time zone",
  enforcement: "When it is reached",
  thresholds: "Alert at percent",
  strict: "Limits below may not add up to more",
};

export type Clash = { field: keyof Draft; theirs: Draft[keyof Draft]; kept: boolean };

/**
 * A draft after somebody else has saved: what was not touched in it becomes what they saved,
 * what was stays as typed. The clashes are what they changed, and whether the draft keeps its own.
 * The amount and whether it is unlimited say one thing: who has typed one of them keeps both.
 */
export function merge(mine: Draft, base: Draft, theirs: Draft): { draft: Draft; clashes: Clash[] } {
  const draft = { ...mine };
  const clashes: Clash[] = [];
  const typed = (field: keyof Draft) => mine[field] !== base[field];
  for (const field of Object.keys(blank) as (keyof Draft)[]) {
    if (theirs[field] === base[field]) continue;
    const touched = field === "amount" || field === "unlimited" ? typed("amount") || typed("unlimited") : typed(field);
    const kept = touched && mine[field] !== theirs[field];
    if (!kept) Object.assign(draft, { [field]: theirs[field] });
    clashes.push({ field, theirs: theirs[field], kept });
  }
  return { draft, clashes };
}
