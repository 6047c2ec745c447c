import { X } from "lucide-react";
import { useEffect, useState } from "react";
import { differenceWords, formatExact, isZero, sub } from "../api/amount";
import type { Amount } from "../api/json";
import type { Assignment } from "../api/types";
import { cadenceWords, perCadence } from "../lib/time";
import { Button, Checkbox, Notice, Select, Text, Trouble, useAction } from "../ui";
import { keptOf, StillHere, useKeeping } from "../ui/kept";
import { Preview } from "./Backtest";
import { type Clash, currentOf, type Draft, draftOf, merge, words } from "./conflict";
import { ownWords, useDefaultWords } from "./Default";
import { EntityPicker } from "./EntityPicker";
import { limitWords, UsedOfIt, WhichLimit } from "./Limit";
import { type LimitInput, usedUp } from "./limit";
import { useNames } from "./names";
import { capabilityOf, idOf, named, putLimits, useSession } from "./session";
import type { Session } from "./sessiontype";
import { TermFields, termsOf } from "./TermFields";

type KeptLimit = { draft: Draft; base: Assignment | null; label: string; scope: string[]; soFar: boolean; capability: string };

/** Under what a change of a limit that is not saved is kept; null: a new one of an entity. */
export const limitKey = (s: Session, entityId: string, limit: Assignment | null) =>
  limit ? `limit:${s.draftsOf}:${limit.id}` : `limit:${s.draftsOf}:new:${entityId}`;

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

type Props = {
  entityId: string;
  limit: Assignment | null;
  /** What has been counted on it so far. */
  used?: Amount | null;
  /** Limits by default that a new one may take the place of. */
  given?: Assignment[];
  onDone: () => void;
};

/**
 * Sets one limit of an entity: a new one, or what may change of one that exists. What is
 * saved names the revision it was based on: what another one has saved meanwhile is shown,
 * beside what was typed.
 */
export function LimitForm({ entityId, limit, used, given = [], onDone }: Props) {
  const s = useSession();
  const key = limitKey(s, entityId, limit);
  const [before] = useState(() => keptOf<KeptLimit>(key)?.state);
  const start = limit ? capabilityOf(limit, s.capabilities) : (s.capabilities.find(c => idOf(c) === before?.capability) ?? s.capability);
  const [capability, setCapability] = useState(start ?? s.capabilities[0] ?? null);
  const [label, setLabel] = useState(before?.label ?? limit?.label ?? "");
  const [scope, setScope] = useState<string[]>(before?.scope ?? limit?.scopeEntityIds ?? []);
  const name = useNames([entityId, ...scope]);
  // What was typed is based on what there was then: what another one has saved since is shown.
  const [base, setBase] = useState(before ? before.base : limit);
  const [draft, setDraft] = useState(before?.draft ?? draftOf(limit));
  const [soFar, setSoFar] = useState(before?.soFar ?? false);
  const [clashes, setClashes] = useState<Clash[] | "deleted" | null>(null);
  const set = (d: Partial<Draft>) => setDraft(before => ({ ...before, ...d }));
  const { unlimited, cadence, timezone, enforcement, thresholds, strict } = draft;
  const save = useAction();
  const state: KeptLimit = { draft, base, label, scope, soFar, capability: capability ? idOf(capability) : "" };
  const typed = !same(draft, draftOf(base)) || (limit === null && (label !== "" || scope.length > 0 || soFar));
  const keeping = useKeeping(key, `The ${capability?.name ?? ""} limit of ${name(entityId)}`, state, typed, save.busy);
  const discard = () => {
    setBase(limit);
    setDraft(draftOf(limit));
    setLabel(limit?.label ?? "");
    setScope(limit?.scopeEntityIds ?? []);
    setSoFar(false);
    setClashes(null);
  };

  const { amount: parsed, percents, ready: said } = termsOf(draft);
  const ready = capability !== null && said;

  const input: LimitInput | null =
    !ready || !capability
      ? null
      : {
          entityId,
          ...named(capability),
          scopeEntityIds: scope,
          label,
          usageLimit: unlimited ? null : parsed,
          cadence,
          enforcement,
          ...(timezone || base ? { timezone: timezone || null } : {}),
          ...(thresholds.trim() || base ? { alertThresholds: percents } : {}),
          allocation: strict ? "strict" : "none",
        };
  // The limit by default whose place this takes.
  const replaced = base
    ? base.defaultOf && base
    : given.find(a => scope.length === 0 && a.label === label && capability && capabilityOf(a, [capability]));
  const begins = base === null && scope.length === 0 && soFar;

  /** Takes what is there now as what the draft is based on. True when that says nothing new. */
  const rebase = (now: Assignment | null): boolean => {
    setBase(now);
    if (now === null) {
      setClashes("deleted");
      return false;
    }
    const { draft: next, clashes: found } = merge(draft, draftOf(base), draftOf(now));
    setDraft(next);
    if (found.length > 0) setClashes(found);
    return found.length === 0;
  };

  const put = async (from: Assignment | null) => {
    if (!input) return;
    const countFrom = begins && !from ? ({ countFrom: "periodStart" } as const) : {};
    const { undo, limits } = await putLimits(s, [{ ...input, ...countFrom, ifMatch: from?.revision ?? "none" }], from ? [from] : []);
    const start = limits[0]?.start;
    const what = unlimited ? "no limit" : formatExact(parsed?.text ?? 0);
    s.wrote({
      text: `${from?.defaultOf ? "Own limit set" : from ? "Limit changed" : "Limit set"}: ${capability?.name} ${what} ${perCadence(cadence)}${start ? `, ${formatExact(start.usage)} of it used` : ""}`,
      entityIds: [entityId],
      undo,
    });
    keeping.over();
    onDone();
  };

  const submit = () =>
    save.start(async () => {
      try {
        await put(base);
      } catch (e) {
        const now = currentOf<Assignment>(e);
        if (now === undefined) throw e;
        // A boost that has ended is another revision, and no other limit.
        if (rebase(now) && base && now) await put(now);
      }
    });

  // The poll may know before the save does.
  const known = limit?.revision;
  // biome-ignore lint/correctness/useExhaustiveDependencies: when another revision comes, and only then
  useEffect(() => {
    if (limit && base && known !== base.revision && !save.busy) rebase(limit);
  }, [known]);

  return (
    <form
      className="stack"
      data-kept
      onSubmit={e => {
        e.preventDefault();
        void submit();
      }}
    >
      <StillHere since={keeping.since} onDiscard={discard} />
      {limit && <WhichLimit limit={limit} />}
      {replaced && <OwnNotice of={replaced} who={name(entityId)} />}
      {clashes && <Clashes of={clashes} label={limit === null} />}
      <div className="fields">
        {!limit && (
          <>
            <Select
              label="What is limited"
              value={capability ? idOf(capability) : ""}
              onChange={v => setCapability(s.capabilities.find(c => idOf(c) === v) ?? null)}
              options={s.capabilities.map(c => [idOf(c), c.name] as const)}
            />
            <Text
              label="Label"
              value={label}
              onChange={setLabel}
              placeholder="none"
              pattern="[a-zA-Z0-9_.\-]*"
              hint="Lets several limits stand side by side, such as daily and monthly"
            />
          </>
        )}
        <TermFields
          draft={draft}
          set={set}
          capability={capability}
          percents={percents}
          zone={replaced ? "the default's" : "the customer's"}
          alerts={replaced && !limit ? "the default's" : limit ? "none" : "80, 100"}
        />
        <div className="wide">
          <Checkbox checked={strict} onChange={v => set({ strict: v })}>
            Limits below may not add up to more than this one
          </Checkbox>
        </div>
        {!limit && (
          <div className="wide stack tight">
            <EntityPicker
              label="Scope: only usage that also involves"
              hint="For example a model: this team, on this model"
              exclude={[entityId, ...scope]}
              onPick={e => setScope([...scope, e.id])}
            />
            {scope.length > 0 && (
              <div className="row wrap">
                {scope.map(id => (
                  <span key={id} className="chip">
                    <span className="ellipsis" title={id}>
                      {name(id)}
                    </span>
                    <Button
                      look="quiet"
                      size="small"
                      aria-label={`Remove ${name(id)}`}
                      icon={<X size={12} />}
                      onClick={() => setScope(scope.filter(x => x !== id))}
                    />
                  </span>
                ))}
              </div>
            )}
          </div>
        )}
      </div>
      {base === null && cadence !== "" && (
        <fieldset className="plain stack tight">
          <legend className="small strong">It counts from</legend>
          <label className="check">
            <input type="radio" name="begins" checked={!soFar || scope.length > 0} onChange={() => setSoFar(false)} />
            <span>{replaced ? "What the default has counted: it goes on with that" : "Now: it begins at 0, whatever was used before"}</span>
          </label>
          <label className="check">
            <input
              type="radio"
              name="begins"
              checked={soFar && scope.length === 0}
              disabled={scope.length > 0}
              onChange={() => setSoFar(true)}
            />
            <span>
              The beginning of its first period: what was used{" "}
              {perCadence(cadence) === "for all time" ? "so far" : `this ${cadenceWords(cadence)} so far`} is used of it
            </span>
          </label>
        </fieldset>
      )}
      {limit && input && <Change from={base} to={input} used={used} />}
      {input && <Preview input={input} />}
      {save.error !== null && <Trouble error={save.error} />}
      <div className="row end">
        <Button
          onClick={() => {
            keeping.over();
            onDone();
          }}
        >
          Cancel
        </Button>
        <Button type="submit" look="primary" busy={save.busy} disabled={!input}>
          {base?.defaultOf ? "Set own limit" : limit ? "Save" : "Set limit"}
        </Button>
      </div>
    </form>
  );
}

/** What becomes of a limit by default when another is set in its place. */
function OwnNotice({ of, who }: { of: Assignment; who: string }) {
  const words = useDefaultWords(of.defaultOf);
  return (
    <Notice>
      {who} has this limit by default, as {words}: <span className="strong">{limitWords(of.usageLimit)}</span> {perCadence(of.cadence)}.
      Saving gives {who} one of its own, which {ownWords}. Deleted, it gives way to the default again.
    </Notice>
  );
}

/** What another one has saved while this form was open, and what became of it here. */
function Clashes({ of, label }: { of: Clash[] | "deleted"; label: boolean }) {
  if (of === "deleted")
    return <Notice kind="warn">Somebody has deleted this limit meanwhile. Saving sets it anew, counting from 0.</Notice>;
  const shown = (c: Clash) => (c.theirs === true ? "yes" : c.theirs === false ? "no" : c.theirs || "none");
  return (
    <Notice kind="warn">
      <span className="strong">{label ? "There is such a limit already." : "Somebody else has changed this limit meanwhile."}</span> Nothing
      of yours is saved yet; look at it and save again.
      <ul className="small">
        {of.map(c => (
          <li key={c.field} className="break">
            {words[c.field]}: theirs is <span className="strong">{shown(c)}</span>
            {c.kept ? "; yours is kept below and would replace it" : ", which is taken over below"}
          </li>
        ))}
      </ul>
    </Notice>
  );
}

/** What saving would change: the limit now and then, and what was used of it. */
function Change({ from, to, used }: { from: Assignment | null; to: LimitInput; used?: Amount | null }) {
  const s = useSession();
  const [was, is] = [from?.usageLimit ?? null, to.usageLimit?.text ?? null];
  const now = from?.effectiveUsageLimit ?? null;
  const boosts = was !== null && now !== null ? sub(now, was) : 0;
  const gone = is !== null && used != null && usedUp(used, is, boosts, capabilityOf(to, s.capabilities)?.counts);
  return (
    <p className="small">
      Now <span className="strong num">{limitWords(was)}</span>
      {!isZero(boosts) && now !== null && ` (${formatExact(now)} with boosts)`}
      <UsedOfIt of={to} v={used} />. Then <span className="strong num">{limitWords(is)}</span>
      {was !== null && is !== null && !isZero(was) && ` (${differenceWords(was, is)})`}
      {gone && (
        <span className="ink-bad"> which is used up: {to.enforcement === "soft" ? "it is reported" : "requests are stopped"} at once</span>
      )}
      .
    </p>
  );
}
