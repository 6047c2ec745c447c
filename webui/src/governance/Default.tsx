import type { DefaultOf } from "../api/types";

/** That a limit is not the entity's own, and where it comes from: "Default of engineering, user, employment contractor". */
export function ByDefault({ of }: { of: DefaultOf }) {
  const tier = Object.entries(of.metadata ?? {}).map(e => e.join(" "));
  return (
    <span className="chip" title={`Default of ${[of.entityId ?? "the customer", of.entityTypeId, ...tier].join(", ")}`}>
      default
    </span>
  );
}
