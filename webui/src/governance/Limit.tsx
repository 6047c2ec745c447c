import { formatExact } from "../api/amount";
import type { Assignment } from "../api/types";
import { cadenceWords, perCadence } from "../lib/time";
import { ByDefault } from "./Default";
import type { LimitInput } from "./limit";
import { useNames } from "./names";
import { capabilityOf, useSession } from "./session";
import type { Session } from "./sessiontype";

type Named = Pick<Assignment, "featureId" | "currencyId">;

export const titleOf = (s: Session, a: Named) => capabilityOf(a, s.capabilities)?.name ?? a.featureId ?? a.currencyId ?? "";

/** What a limit counts, in the plural. */
export const unitOf = (s: Session, a: Named) => {
  const c = capabilityOf(a, s.capabilities);
  return c?.unit || c?.name;
};

/** Which of several limits of a capability it is. */
export function Kind({ limit }: { limit: Pick<Assignment, "label" | "scopeEntityIds" | "cadence" | "defaultOf"> }) {
  const name = useNames(limit.scopeEntityIds);
  return (
    <>
      <span className="chip">{cadenceWords(limit.cadence)}</span>
      {limit.defaultOf && <ByDefault of={limit.defaultOf} />}
      {limit.label && <span className="chip ellipsis">{limit.label}</span>}
      {limit.scopeEntityIds.length > 0 && (
        <span className="chip ellipsis" title={limit.scopeEntityIds.join(", ")}>
          on {limit.scopeEntityIds.map(name).join(" + ")}
        </span>
      )}
    </>
  );
}

/** Whose limit of what it is, in one line: "Backend · Credits · per day · pilot · only on fjord-large". */
export function WhichLimit({ limit }: { limit: LimitInput | Assignment }) {
  const s = useSession();
  const scope = limit.scopeEntityIds ?? [];
  const name = useNames([limit.entityId, ...scope]);
  const parts = [
    titleOf(s, limit),
    limit.cadence && perCadence(limit.cadence),
    limit.label && `“${limit.label}”`,
    scope.length > 0 && `only on ${scope.map(name).join(" + ")}`,
  ].filter(Boolean);
  return (
    <p className="break which">
      <span className="strong">{name(limit.entityId)}</span> · {parts.join(" · ")}
    </p>
  );
}

export const limitWords = (v: Assignment["usageLimit"]) => (v === null ? "unlimited" : formatExact(v));

/** What was used of a limit, after its number: ", of which 7 is used". */
export function UsedOfIt({ of, v }: { of: Named; v: Assignment["usageLimit"] | undefined }) {
  const s = useSession();
  if (v == null) return null;
  const n = <span className="num">{formatExact(v)}</span>;
  switch (capabilityOf(of, s.capabilities)?.counts) {
    case "highest":
      return <>; the highest so far is {n}</>;
    case "different":
      return <>; there were {n} different ones so far</>;
    default:
      return <>, of which {n} is used</>;
  }
}
