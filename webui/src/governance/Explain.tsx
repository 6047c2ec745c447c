import { useQuery } from "@tanstack/react-query";
import { ArrowRight, Ban, CircleCheck, Plus, TriangleAlert, X } from "lucide-react";
import { useState } from "react";
import { add, formatExact, less, parseAmount, sub } from "../api/amount";
import { isStatus, path } from "../api/client";
import type { Amount, Exact } from "../api/json";
import type { Binding, Decision, Denial, Explanation, Node, One, Page } from "../api/types";
import { longTime, until } from "../lib/time";
import { Amt, Button, Empty, Notice, Select, Skeleton, Text, Trouble, useAction, When } from "../ui";
import { useNames } from "./names";
import { capabilityOf, type Session, useSession } from "./session";

type Question = { capability: string; amount: string; dimensions: [string, string][] };

/** Why a request is stopped, or would be: every limit on its way with its arithmetic. */
export default function Explain() {
  const s = useSession();
  const keys = [...s.types.values()].flatMap(t => t.attributionKeys);
  const [q, setQ] = useState<Question>({
    capability: s.capability ? `${s.capability.kind}:${s.capability.id}` : "",
    amount: "1",
    dimensions: [[keys[0] ?? "userId", ""]],
  });
  const [answer, setAnswer] = useState<Decision | null>(null);
  const [past, setPast] = useState<Denial | null>(null);
  const run = useAction();
  const denials = useQuery({
    queryKey: ["denials", s.customerId],
    queryFn: () => s.api.get<Page<Denial>>(path`/customers/${s.customerId}/denials`, { limit: 20 }),
    retry: false,
    refetchInterval: 10_000,
  });

  const askAbout = (question: Question) =>
    run.start(
      () => ask(s, question),
      d => setAnswer(d),
    );
  const pick = (d: Denial) => {
    const c = capabilityOf(d, s.capabilities);
    const question: Question = {
      capability: c ? `${c.kind}:${c.id}` : "",
      amount: String(d.requested),
      dimensions: Object.entries(d.dimensions).map(([k, v]) => [k, String(v)]),
    };
    setQ(question);
    setPast(d);
    setAnswer(null);
    if (s.rights.ask) void askAbout(question);
  };
  const amount = parseAmount(q.amount);

  return (
    <div className="explain">
      <div className="ask">
        {s.rights.ask && (
          <form
            className="stack"
            onSubmit={e => {
              e.preventDefault();
              setPast(null);
              void askAbout(q);
            }}
          >
            <h2>May this request be made now?</h2>
            <div className="fields">
              <Select
                label="Of"
                value={q.capability}
                onChange={v => setQ({ ...q, capability: v })}
                options={s.capabilities.map(c => [`${c.kind}:${c.id}`, c.name] as const)}
              />
              <Text
                label="Amount"
                value={q.amount}
                onChange={v => setQ({ ...q, amount: v })}
                inputMode="decimal"
                problem={amount ? null : "A number from 0"}
              />
            </div>
            <fieldset className="stack tight plain">
              <legend className="small strong">Dimensions of the request</legend>
              {q.dimensions.map(([k, v], i) => {
                const set = (pair: [string, string]) => setQ({ ...q, dimensions: q.dimensions.map((d, j) => (j === i ? pair : d)) });
                return (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the place is the identity
                  <div key={i} className="row">
                    <input
                      className="input"
                      list="explain-keys"
                      aria-label="Key"
                      value={k}
                      onChange={e => set([e.target.value, v])}
                      spellCheck={false}
                    />
                    <input
                      className="input"
                      aria-label={`Value of ${k}`}
                      placeholder="id"
                      value={v}
                      onChange={e => set([k, e.target.value])}
                      spellCheck={false}
                    />
                    <Button
                      look="quiet"
                      aria-label={`Remove ${k}`}
                      icon={<X size={15} />}
                      onClick={() => setQ({ ...q, dimensions: q.dimensions.filter((_, j) => j !== i) })}
                    />
                  </div>
                );
              })}
              <datalist id="explain-keys">
                {keys.map(k => (
                  <option key={k} value={k} />
                ))}
              </datalist>
            </fieldset>
            <div className="row between">
              <Button
                size="small"
                look="quiet"
                icon={<Plus size={14} />}
                onClick={() =>
                  setQ({ ...q, dimensions: [...q.dimensions, [keys.find(k => !q.dimensions.some(([x]) => x === k)) ?? "", ""]] })
                }
              >
                Dimension
              </Button>
              <Button type="submit" look="primary" busy={run.busy} disabled={!amount || !q.capability}>
                Explain
              </Button>
            </div>
          </form>
        )}
      </div>
      <div className="stack answer" aria-live="polite">
        {past && (
          <Notice>
            At {longTime(past.timestamp)} the answer was {reasonWords(past.reason)}
            {past.binding && (
              <>
                : {place(past.binding)} had {formatExact(past.binding.remaining ?? 0)} left
              </>
            )}
            . Below is how it {answer ? "stands now" : "stood then"}.
          </Notice>
        )}
        {run.busy && <Skeleton lines={5} />}
        {run.error !== null && <Trouble error={run.error} />}
        {!run.busy && answer && <Answer d={answer} requested={q.amount} />}
        {!run.busy && !answer && past && run.error === null && <Answer d={recorded(past)} requested={String(past.requested)} />}
        {!run.busy && !answer && !past && run.error === null && (
          <Empty title="Every limit on the way, with its sum">
            <p>
              {s.rights.ask
                ? "Name what your product sends with a request, such as the agent, the user and the model. Nothing is recorded."
                : "Choose a request that was stopped."}
            </p>
          </Empty>
        )}
      </div>
      <div className="lately">
        {denials.data && denials.data.data.length > 0 && (
          <section className="stack tight">
            <h3>Stopped lately</h3>
            <ul className="picks">
              {denials.data.data.map(d => (
                <li key={d.id}>
                  <button type="button" aria-pressed={past?.id === d.id} onClick={() => pick(d)}>
                    <span className="row between">
                      <span className="strong ellipsis">{Object.values(d.dimensions)[0] ?? "(no dimensions)"}</span>
                      <span className="muted small">
                        <When at={d.timestamp} />
                      </span>
                    </span>
                    <span className="small muted ellipsis">
                      {formatExact(d.requested)} {capabilityOf(d, s.capabilities)?.name ?? d.featureId ?? d.currencyId} · {place(d.binding)}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
        {denials.data?.data.length === 0 && <p className="small muted">Nothing has been stopped lately.</p>}
      </div>
    </div>
  );
}

/** What was decided when a request was stopped. */
const recorded = (d: Denial): Decision => ({
  type: d.currencyId ? "CREDIT" : "FEATURE",
  isGranted: false,
  accessDeniedReason: d.reason,
  binding: d.binding,
  chains: d.chains,
  grantedAfter: null,
});

/** Asks the server to explain; one that cannot is asked for the same decision by a check. */
async function ask(s: Session, q: Question): Promise<Decision> {
  const [kind, ...id] = q.capability.split(":");
  const target = kind === "currency" ? { currencyId: id.join(":") } : { featureId: id.join(":") };
  const dimensions = Object.fromEntries(q.dimensions.filter(([k, v]) => k && v));
  const question = { ...target, requestedUsage: parseAmount(q.amount) as Exact, dimensions };
  try {
    const { data } = await s.api.post<One<Explanation>>(path`/customers/${s.customerId}/explain`, question);
    return { ...data.decision, chains: data.chains, grantedAfter: data.grantedAfter };
  } catch (e) {
    if (!isStatus(e, 404, 405)) throw e;
    const got = await s.api.post<{ data: Decision[] }>(path`/customers/${s.customerId}/entitlements/checks`, { checks: [question] });
    const first = got.data[0];
    if (!first) throw e;
    return first;
  }
}

function place(b: Binding | null): string {
  if (!b) return "no limit";
  if (b.source === "CREDITS") return "the prepaid pool";
  if (b.source === "CUSTOMER") return "the customer's own limit";
  return `${b.entityId}${b.label ? ` (${b.label})` : ""}`;
}

function reasonWords(reason: string | null): string {
  const words: Record<string, string> = {
    BudgetExceeded: "no, the budget was used up",
    RequestedUsageExceedingLimit: "no, it asked for more than was left",
    InsufficientCredits: "no, the prepaid pool had too little",
    CustomerNotFound: "no, there is no such customer",
    CustomerIsArchived: "no, the customer is archived",
    FeatureNotFound: "no, there is no such feature",
    EntitlementNotFound: "no, there is no such currency",
    Unknown: "no, no rate prices this usage",
  };
  return words[reason ?? ""] ?? reason ?? "";
}

function Answer({ d, requested }: { d: Decision; requested: string }) {
  const s = useSession();
  const seen = new Set<string>();
  const chains = (d.chains ?? []).map(chain => chain.filter(n => !seen.has(n.assignmentId) && seen.add(n.assignmentId)));
  const nodes = chains.flat();
  const name = useNames(nodes.flatMap(n => [n.entityId, ...n.scopeEntityIds]));
  const gate = d.binding && d.binding.source !== "ENTITY" ? d.binding : null;
  const bound = d.binding?.source === "ENTITY" ? d.binding : null;
  const short = nodes.filter(n => !n.isGranted && n.enforcement === "hard");
  const after = d.isGranted ? null : grantedAfter(d, short);
  return (
    <section className="stack" aria-label="Answer">
      <div className={`notice ${d.isGranted ? "good" : "bad"}`}>
        {d.isGranted ? <CircleCheck size={18} aria-hidden /> : <Ban size={18} aria-hidden />}
        <div className="stack tight">
          <h2>
            {d.isGranted
              ? `Yes: ${formatAsked(requested)} would be granted`
              : `No: ${reasonWords(d.accessDeniedReason).replace(/^no, /, "")}`}
          </h2>
          {!d.isGranted && (
            <ul className="stack tight">
              {gate && (
                <Todo>
                  The {gate.source === "CREDITS" ? "prepaid pool" : "customer's own limit"} {change(gate, gate.requested ?? requested)}
                </Todo>
              )}
              {short.map(n => (
                <Todo key={n.assignmentId}>
                  {name(n.entityId)}
                  {n.label && ` (${n.label})`} {change(n, n.requested)}
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
            <Sum used={gate.currentUsage} held={gate.reserved} asked={gate.requested ?? requested} limit={gate.usageLimit} fits={false} />
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
      {d.chains && chains.every(c => c.length === 0) && (
        <Notice>Nothing that these dimensions name has a limit, so nothing stands in the way.</Notice>
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

const formatAsked = (text: string) => {
  const a = parseAmount(text);
  return a ? formatExact(a.text) : text;
};

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
        {n.label && <span className="chip ellipsis">{n.label}</span>}
        {n.scopeEntityIds.length > 0 && <span className="chip ellipsis">on {n.scopeEntityIds.map(name).join(" + ")}</span>}
        {soft && <span className="chip">soft</span>}
      </span>
      <span className="small muted right">
        {binds ? <span className="ink-bad strong">decides</span> : capabilityOf(n, s.capabilities)?.name}
      </span>
      <Sum used={n.currentUsage} held={n.reserved} asked={n.requested} limit={n.usageLimit} fits={fits} />
      <span className="sum muted small">
        resets {until(n.resetsAt)}
        {!fits && n.usageLimit !== null && <> · {change(n, n.requested)}</>}
      </span>
    </div>
  );
}

function Sum({ used, held, asked, limit, fits }: { used: Amount; held: Amount; asked: Amount; limit: Amount | null; fits: boolean }) {
  const total = add(add(used, held), parseAmount(String(asked))?.text ?? 0);
  return (
    <span className="sum num break" style={{ whiteSpace: "normal" }}>
      {formatExact(used)} <span className="muted">used</span> + {formatExact(held)} <span className="muted">held</span> +{" "}
      {formatAsked(String(asked))} <span className="muted">asked</span> = <span className="strong">{formatExact(total)}</span>{" "}
      {limit === null ? (
        <span className="muted">, no limit</span>
      ) : fits && !less(limit, total) ? (
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
): string {
  if (n.usageLimit === null) return "";
  const total = add(add(n.currentUsage, n.reserved), parseAmount(String(asked))?.text ?? 0);
  const short = n.wouldNeed ?? sub(total, n.usageLimit);
  return n.source === "CREDITS"
    ? `needs a grant of ${formatExact(short)} more`
    : `needs a limit of ${formatExact(add(n.usageLimit, short))} (${formatExact(short)} more)`;
}
