import { ArrowRight, Ban, CircleCheck, TriangleAlert } from "lucide-react";
import { add, formatExact, isZero, less, sub } from "../api/amount";
import type { Amount } from "../api/json";
import type { Capability, Decision, Node } from "../api/types";
import { longTime, until } from "../lib/time";
import { Amt, Notice } from "../ui";
import { AskForMore, mayAsk } from "./AskForMore";
import { ByDefault } from "./Default";
import { useNames } from "./names";
import { capabilityOf, useSession } from "./session";

/** What is decided about a request: every limit on its way with its arithmetic, and what would have to change. */
export function Answer({ d, requested }: { d: Decision; requested: Amount }) {
  const s = useSession();
  const seen = new Set<string>();
  const chains = (d.chains ?? []).map(chain => chain.filter(n => !seen.has(n.assignmentId) && seen.add(n.assignmentId)));
  const nodes = chains.flat();
  const name = useNames([
    ...nodes.flatMap(n => [n.entityId, ...n.scopeEntityIds]),
    ...(d.rootEntityId ? [d.rootEntityId] : []),
    ...(d.frozen?.entityId ? [d.frozen.entityId] : []),
  ]);
  const counts = (n: Parameters<typeof capabilityOf>[0]) => capabilityOf(n, s.capabilities)?.counts ?? "sum";
  const gate = d.binding && d.binding.source !== "ENTITY" ? d.binding : null;
  const bound = d.binding?.source === "ENTITY" ? d.binding : null;
  const short = nodes.filter(n => !n.isGranted && n.enforcement === "hard");
  const after = d.isGranted || d.frozen ? null : grantedAfter(d, short);
  return (
    <section className="stack" aria-label="Answer">
      <div className={`notice ${d.isGranted ? "good" : "bad"}`}>
        {d.isGranted ? <CircleCheck size={18} aria-hidden /> : <Ban size={18} aria-hidden />}
        <div className="stack tight">
          <h2>
            {d.isGranted
              ? `Yes: ${formatExact(requested)} would be granted${d.rootEntityId ? " by the limits you see" : ""}`
              : `No: ${reasonWords(d.accessDeniedReason)}`}
          </h2>
          {!d.isGranted && (
            <ul className="stack tight">
              {d.accessDeniedDetail && <Todo>{d.accessDeniedDetail}</Todo>}
              {!d.accessDeniedDetail && d.accessDeniedReason === "Ungoverned" && (
                <Todo>Set a limit on whom it names, or above; one without an amount counts and stops nothing. A default does as well.</Todo>
              )}
              {d.frozen && (
                <Todo>
                  {d.frozen.entityId ? name(d.frozen.entityId) : "What is above"} must be thawed; it was frozen{" "}
                  {longTime(d.frozen.frozenAt)}: {d.frozen.reason}
                </Todo>
              )}
              {gate && (
                <Todo>
                  The {gate.source === "CREDITS" ? "prepaid pool" : "customer's own limit"}{" "}
                  {change(gate, gate.requested ?? requested, counts(gate))}
                </Todo>
              )}
              {short.map(n => (
                <Todo key={n.assignmentId}>
                  {name(n.entityId)}
                  {n.label && ` (${n.label})`} {change(n, n.requested, counts(n))}{" "}
                  {mayAsk(s, n.entityId) && <AskForMore limit={{ ...n, id: n.assignmentId }} amount={n.wouldNeed} />}
                </Todo>
              ))}
              {after && (
                <Todo>
                  or wait: what stands in the way resets {until(after)}, on {longTime(after)}
                </Todo>
              )}
            </ul>
          )}
        </div>
      </div>
      {gate && (
        <div className="panel">
          <div className="level binding">
            <Ban size={16} className="ink-bad" aria-hidden />
            <span className="strong">{gate.source === "CREDITS" ? "Prepaid pool of the customer" : "Limit of the whole customer"}</span>
            <span className="small ink-bad strong">decides</span>
            <Sum
              used={gate.currentUsage}
              held={gate.reserved}
              asked={gate.requested ?? requested}
              limit={gate.usageLimit}
              fits={false}
              counts={counts(gate)}
            />
          </div>
        </div>
      )}
      {chains.map((chain, i) =>
        chain.length === 0 ? null : (
          // biome-ignore lint/suspicious/noArrayIndexKey: chains have no other identity
          <div key={i} className="panel levels">
            {chain.map(n => (
              <Level key={n.assignmentId} n={n} name={name} binds={bound?.assignmentId === n.assignmentId} />
            ))}
          </div>
        ),
      )}
      {d.warnings?.map(w => (
        <Notice key={w} kind="warn">
          {warningWords(w, id => s.capabilities.find(c => c.id === id)?.name ?? id)}
        </Notice>
      ))}
      {d.chains && chains.every(c => c.length === 0) && !d.warnings?.length && d.accessDeniedReason !== "Ungoverned" && (
        <Notice>Nothing that these dimensions name has a limit.</Notice>
      )}
      {d.rootEntityId && (
        <Notice kind={d.isGranted ? "warn" : undefined}>
          Only limits of {name(d.rootEntityId)} and below were asked. Those above it, which are not shown to you, may still stop the
          request.
        </Notice>
      )}
      {!d.chains && <Notice>Without dimensions only the customer as a whole is asked.</Notice>}
      {d.costs && d.costs.length > 0 && (
        <p className="small muted">
          It would cost{" "}
          {d.costs.map(c => (
            <Amt
              key={c.currencyId}
              v={c.amount}
              unit={s.capabilities.find(x => x.kind === "currency" && x.id === c.currencyId)?.unit ?? c.currencyId}
            />
          ))}
        </p>
      )}
    </section>
  );
}

function Todo({ children }: { children: React.ReactNode }) {
  return (
    <li className="row" style={{ gap: 6, alignItems: "flex-start" }}>
      <ArrowRight size={14} aria-hidden style={{ flex: "none", marginTop: 3 }} />
      <span className="break">{children}</span>
    </li>
  );
}

/** When waiting alone would help: when the last of the limits in the way begins anew, if each is large enough at all. */
function grantedAfter(d: Decision, short: Node[]): string | null {
  if (d.grantedAfter !== undefined) return d.grantedAfter;
  if ((d.binding && d.binding.source !== "ENTITY") || short.length === 0) return null;
  if (short.some(n => n.usageLimit === null || less(n.usageLimit, n.requested))) return null;
  return (
    short
      .map(n => n.resetsAt)
      .sort()
      .at(-1) ?? null
  );
}

function Level({ n, name, binds }: { n: Node; name: (id: string) => string; binds: boolean }) {
  const s = useSession();
  const fits = n.isGranted;
  const soft = n.enforcement === "soft";
  const Icon = fits ? (n.exceeded ? TriangleAlert : CircleCheck) : Ban;
  return (
    <div className={`level ${binds ? "binding" : ""}`}>
      <Icon size={16} className={fits ? (n.exceeded ? "" : "ink-good") : "ink-bad"} aria-label={fits ? "fits" : "does not fit"} />
      <span className="row wrap" style={{ gap: "2px 8px" }}>
        <button type="button" className="link strong break" onClick={() => s.open(n.entityId)}>
          {name(n.entityId)}
        </button>
        <span className="muted small">{s.types.get(n.entityTypeId)?.displayName ?? n.entityTypeId}</span>
        {n.defaultOf && <ByDefault of={n.defaultOf} />}
        {n.label && <span className="chip ellipsis">{n.label}</span>}
        {n.scopeEntityIds.length > 0 && <span className="chip ellipsis">on {n.scopeEntityIds.map(name).join(" + ")}</span>}
        {soft && <span className="chip">soft</span>}
      </span>
      <span className="small muted right">
        {binds ? <span className="ink-bad strong">decides</span> : capabilityOf(n, s.capabilities)?.name}
      </span>
      <Sum
        used={n.currentUsage}
        held={n.reserved}
        asked={n.requested}
        limit={n.usageLimit}
        fits={fits}
        counts={capabilityOf(n, s.capabilities)?.counts ?? "sum"}
      />
      <span className="sum muted small">resets {until(n.resetsAt)}</span>
    </div>
  );
}

type SumProps = { used: Amount; held: Amount; asked: Amount; limit: Amount | null; fits: boolean; counts: Counts };
type Counts = Capability["counts"];

/** What a limit has to bear: of highest values the higher one, not both. */
const total = (used: Amount, held: Amount, asked: Amount, counts: Counts) =>
  add(counts !== "highest" ? add(used, asked) : less(used, asked) ? asked : used, held);

const part = (v: Amount, what: string) => (
  <>
    {formatExact(v)} <span className="muted">{what}</span>
  </>
);

/** The terms that a limit has to bear, in the words of what it counts. */
function Terms({ used, held, asked, counts }: Omit<SumProps, "limit" | "fits">) {
  switch (counts) {
    case "highest":
      return (
        <>
          the higher of {part(used, "highest so far")} and {part(asked, "asked")}
          {!isZero(held) && <> + {part(held, "held")}</>}:{" "}
        </>
      );
    case "different":
      return (
        <>
          {part(used, "different so far")} + {part(held, "held")} + {part(asked, "more")} ={" "}
        </>
      );
    default:
      return (
        <>
          {part(used, "used")} + {part(held, "held")} + {part(asked, "asked")} ={" "}
        </>
      );
  }
}

function Sum({ used, held, asked, limit, fits, counts }: SumProps) {
  const sum = total(used, held, asked, counts);
  return (
    <span className="sum num break" style={{ whiteSpace: "normal" }}>
      <Terms used={used} held={held} asked={asked} counts={counts} />
      <span className="strong">{formatExact(sum)}</span>{" "}
      {limit === null ? (
        <span className="muted">, no limit</span>
      ) : fits && !less(limit, sum) ? (
        <>≤ {formatExact(limit)}</>
      ) : (
        <>&gt; {formatExact(limit)}</>
      )}
    </span>
  );
}

/** What would have to change for the amount to fit. */
function change(
  n: Pick<Node, "usageLimit" | "currentUsage" | "reserved"> & { wouldNeed?: Amount; source?: string },
  asked: Amount,
  counts: Counts,
): string {
  if (n.usageLimit === null) return "";
  const short = n.wouldNeed ?? sub(total(n.currentUsage, n.reserved, asked, counts), n.usageLimit);
  return n.source === "CREDITS"
    ? `needs a grant of ${formatExact(short)} more`
    : `needs a limit of ${formatExact(add(n.usageLimit, short))} (${formatExact(short)} more)`;
}

/** What a warning says of a request. */
export function warningWords(warning: string, name: (capability: string) => string): string {
  const colon = warning.indexOf(":");
  const code = colon < 0 ? warning : warning.slice(0, colon);
  const about = colon < 0 ? "" : warning.slice(colon + 1);
  const words: Record<string, string> = {
    DIMENSION_NOT_RESOLVED: `${about} names nobody: there is no such id, so no limit was found by it.`,
    ENROLLED: `What ${about} names was new, and is an entity from now on.`,
    WOULD_ENROL: `What ${about} names is new: a request that uses something makes it an entity.`,
    NOT_ENROLLED: `What ${about} names is new and cannot become an entity.`,
    DID_YOU_MEAN: `Did you mean ${about.slice(about.indexOf("=") + 1)}? That is nearly what ${about.slice(0, about.indexOf("="))} says.`,
    DIMENSION_UNKNOWN: `${about} names nobody: it is nearly the key of an entity type, and not that.`,
    NO_ENTITY_NAMED: "No dimension names an entity, so only limits of the whole customer count.",
    UNGOVERNED: `Nothing limits this use of ${name(about)}: no limit, no entitlement, no pool.`,
    RATE_NOT_FOUND: "No rate prices this: it would be recorded at cost 0.",
    TOO_MANY_LIMITS: `More limits of ${name(about)} apply than usage counts on.`,
  };
  return words[code] ?? warning;
}

/** Why a request is denied. */
export function reasonWords(reason: string | null): string {
  const words: Record<string, string> = {
    BudgetExceeded: "budget used up",
    RequestedUsageExceedingLimit: "not enough remaining",
    InsufficientCredits: "too little in the prepaid pool",
    CustomerNotFound: "no such customer",
    CustomerIsArchived: "customer archived",
    CustomerIsFrozen: "customer frozen",
    EntityNotFound: "names nobody, and strict denies that",
    EntityIsFrozen: "frozen",
    Ungoverned: "nothing limits this use, and such use is denied",
    FeatureNotFound: "no such feature",
    EntitlementNotFound: "no such currency",
    Unknown: "no rate prices this usage",
  };
  return words[reason ?? ""] ?? reason ?? "";
}
