import type { DefaultOf } from "../api/types";
import { useNames } from "./names";
import { useSession } from "./session";
import type { Session } from "./sessiontype";

/** Whose limit a default is, in words: "each User below Engineering with employment contractor". */
function words(s: Session, of: DefaultOf, name: (id: string) => string): string {
  const type = s.types.get(of.entityTypeId)?.displayName ?? of.entityTypeId;
  const tier = Object.entries(of.metadata ?? {}).map(e => e.join(" "));
  const where = of.entityId ? `below ${name(of.entityId)}` : s.rights.root ? "you see" : "of the customer";
  const above = !of.entityId && s.rights.root ? ", by a default from above your part" : "";
  return `each ${type} ${where}${tier.length > 0 ? ` with ${tier.join(" and ")}` : ""}${above}`;
}

export function useDefaultWords(of: DefaultOf | undefined): string {
  const s = useSession();
  const name = useNames(of?.entityId ? [of.entityId] : []);
  return of ? words(s, of, name) : "";
}

/** That a limit is not the entity's own; its title says whose it is. */
export function ByDefault({ of }: { of: DefaultOf }) {
  return (
    <span className="chip" title={`By default: the limit of ${useDefaultWords(of)}`}>
      default
    </span>
  );
}

/** What becomes of a limit by default once it is an entity's own. */
export const ownWords = "goes on with what was used and no longer follows the default";

/** The same below a figure, where many are listed. */
export const byDefault = <div className="small muted">by default</div>;
