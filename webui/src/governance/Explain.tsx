import { Plus, X } from "lucide-react";
import { useEffect, useState } from "react";
import { formatExact } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import { editable, readAmount } from "../api/typed";
import type { Decision, Denial, Entity, Explanation, One } from "../api/types";
import { longTime } from "../lib/time";
import { Button, Empty, Notice, Select, Skeleton, Trouble, useAction, When } from "../ui";
import { AmountField } from "../ui/AmountField";
import { Answer, reasonWords } from "./Answer";
import { useDenials } from "./denials";
import { EntityPicker } from "./EntityPicker";
import { useNames } from "./names";
import { capabilityOf, useSession } from "./session";
import type { Session } from "./sessiontype";

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
  const [answer, setAnswer] = useState<{ d: Decision; asked: Amount } | null>(null);
  const [past, setPast] = useState<Denial | null>(null);
  const run = useAction();
  const [at] = useState(() => new URLSearchParams(location.search).get("at"));
  const denials = useDenials(at);
  const isId = (key: string) => keys.includes(key);
  const name = useNames([
    ...q.dimensions.flatMap(([k, v]) => (isId(k) && v ? [v] : [])),
    ...(denials.data?.data ?? []).flatMap(d => [
      ...(d.binding?.entityId ? [d.binding.entityId] : []),
      ...Object.entries(d.dimensions).flatMap(([k, v]) => (isId(k) ? [String(v)] : [])),
    ]),
  ]);

  const askAbout = (question: Question) => run.start(() => ask(s, question), setAnswer);
  const pick = (d: Denial) => {
    const c = capabilityOf(d, s.capabilities);
    const question: Question = {
      capability: c ? `${c.kind}:${c.id}` : "",
      amount: editable(d.requested),
      dimensions: Object.entries(d.dimensions).map(([k, v]) => [k, String(v)]),
    };
    setQ(question);
    setPast(d);
    setAnswer(null);
    void askAbout(question);
  };
  // A denial that the address names is explained at once.
  const [wanted, setWanted] = useState(() => new URLSearchParams(location.search).get("denial"));
  const found = denials.data?.data.find(d => d.id === wanted);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is found
  useEffect(() => {
    if (!found) return;
    setWanted(null);
    pick(found);
  }, [found]);
  const about = (e: Entity) => {
    const key = s.types.get(e.entityTypeId)?.attributionKeys[0] ?? "";
    const others = q.dimensions.filter(([k, v]) => k !== key && (v !== "" || !isId(k)));
    setQ({ ...q, dimensions: [[key, e.id], ...others] });
  };
  const { amount } = readAmount(q.amount);
  const unit = s.capabilities.find(c => `${c.kind}:${c.id}` === q.capability);

  return (
    <div className="explain">
      <div className="ask">
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
              label="Usage of"
              value={q.capability}
              onChange={v => setQ({ ...q, capability: v })}
              options={s.capabilities.map(c => [`${c.kind}:${c.id}`, c.name] as const)}
            />
            <AmountField
              label="Amount"
              value={q.amount}
              onChange={v => setQ({ ...q, amount: v })}
              unit={unit?.unit || unit?.name}
              hint={amountHints[unit?.counts ?? "sum"]}
            />
          </div>
          <EntityPicker label="Requested by" hint="Adds the agent, user or team to the dimensions below" onPick={about} />
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
                    title={isId(k) && v ? name(v) : undefined}
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
      </div>
      <div className="stack answer" aria-live="polite">
        {past && (
          <Notice>
            Stopped at {longTime(past.timestamp)}: {reasonWords(past.reason)}
            {past.binding && (
              <>
                ; {place(past, name)}{" "}
                {unit?.counts === "highest"
                  ? `let pass up to ${formatExact(past.binding.remaining ?? 0)}`
                  : `had ${formatExact(past.binding.remaining ?? 0)} left`}
              </>
            )}
            . Below is how it {answer ? "stands now" : "stood then"}.
          </Notice>
        )}
        {run.busy && <Skeleton lines={5} />}
        {run.error !== null && <Trouble error={run.error} />}
        {!run.busy && answer && <Answer d={answer.d} requested={answer.asked} />}
        {!run.busy && !answer && past && run.error === null && <Answer d={recorded(past)} requested={past.requested} />}
        {!run.busy && !answer && !past && run.error === null && (
          <Empty title="Every limit on the way, with its arithmetic">
            <p>
              Name who asks, and what else is sent with the request, such as the model; or choose one that was stopped. Nothing is recorded.
            </p>
          </Empty>
        )}
      </div>
      <div className="lately">
        {denials.data && denials.data.data.length > 0 && (
          <section className="stack tight">
            <h3>{at ? `Stopped until ${longTime(at)}` : "Stopped lately"}</h3>
            <ul className="picks">
              {alike(denials.data.data, isId).map(([d, n]) => (
                <li key={d.id}>
                  <button type="button" aria-pressed={past?.id === d.id} onClick={() => pick(d)}>
                    <span className="row between">
                      <span className="strong ellipsis">{asker(d, isId, name)}</span>
                      <span className="muted small nowrap">
                        {n > 1 && `${n} times · `}
                        <When at={d.timestamp} />
                      </span>
                    </span>
                    <span className="small muted ellipsis">
                      {formatExact(d.requested)} {capabilityOf(d, s.capabilities)?.name ?? d.featureId ?? d.currencyId} · {place(d, name)}
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

const amountHints = {
  sum: "A number from 0",
  highest: "The value of the request: the highest so far counts",
  different: "How many that were not there before",
};

/** What was decided when a request was stopped. */
const recorded = (d: Denial): Decision => ({
  type: d.currencyId ? "CREDIT" : "FEATURE",
  isGranted: false,
  accessDeniedReason: d.reason,
  binding: d.binding,
  chains: d.chains,
  grantedAfter: null,
});

async function ask(s: Session, q: Question): Promise<{ d: Decision; asked: Amount }> {
  const { amount } = readAmount(q.amount);
  if (!amount) throw new Error("Say how much.");
  const [kind, ...id] = q.capability.split(":");
  const target = kind === "currency" ? { currencyId: id.join(":") } : { featureId: id.join(":") };
  const dimensions = Object.fromEntries(q.dimensions.filter(([k, v]) => k && v));
  const question = { ...target, requestedUsage: amount, dimensions };
  const { data } = await s.api.post<One<Explanation>>(path`/customers/${s.customerId}/explain`, question);
  const { decision, ...arithmetic } = data;
  return { d: { ...decision, ...arithmetic }, asked: amount.text };
}

/** The newest of requests of the same asker that were stopped for the same, with how many there are. */
function alike(denials: Denial[], isId: (key: string) => boolean): [Denial, number][] {
  const by = new Map<string, [Denial, number]>();
  for (const d of denials) {
    const same = JSON.stringify([asker(d, isId, id => id), d.featureId, d.currencyId, d.requested, d.binding?.assignmentId]);
    const found = by.get(same);
    if (found) found[1]++;
    else by.set(same, [d, 1]);
  }
  return [...by.values()].slice(0, 20);
}

/** Who made a request: what its first dimension names. */
export function asker(d: Denial, isId: (key: string) => boolean, name: (id: string) => string): string {
  const [key, value] = Object.entries(d.dimensions).find(([k]) => isId(k)) ?? Object.entries(d.dimensions)[0] ?? [];
  if (key === undefined) return "(no dimensions)";
  return isId(key) ? name(String(value)) : String(value);
}

/** What stopped a request. */
export function place({ binding: b, reason, frozen }: Denial, name: (id: string) => string): string {
  if (frozen) return `the freeze of ${frozen.entityId ? name(frozen.entityId) : "the customer"}`;
  if (!b) return reason === "Unknown" ? "no price" : "a limit above";
  if (b.source === "CREDITS") return "the prepaid pool";
  if (b.source === "CUSTOMER") return "the customer's own limit";
  return `${name(b.entityId ?? "")}${b.label ? ` (${b.label})` : ""}`;
}
