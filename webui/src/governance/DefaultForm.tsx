import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { count } from "../api/locale";
import type { Capability, Default } from "../api/types";
import { perCadence } from "../lib/time";
import { Notice, Reading, Select, Text, useSettled } from "../ui";
import { FormDialog } from "../ui/FormDialog";
import { DefaultPreview } from "./Backtest";
import { blank, type Draft, draftOf, merge } from "./conflict";
import { useDefaultWords } from "./Default";
import {
  type DefaultInput,
  deleteDefault,
  inputOf,
  type Meant,
  meantBy,
  putDefault,
  type Reach,
  reachOf,
  readTier,
  sourceOf,
  tierText,
} from "./defaults";
import { limitWords } from "./Limit";
import { useNames } from "./names";
import { capabilityOf, idOf, useSession } from "./session";
import type { Session } from "./sessiontype";
import { TermFields, termsOf } from "./TermFields";

type Props = {
  /** Below whom it holds; null: in the whole customer. */
  entityId: string | null;
  /** The one that is changed; null: a new one. */
  of: Default | null;
  onClose: () => void;
};

/** Sets a default limit, and says first whose limits that changes. */
export function DefaultForm({ entityId, of, onClose }: Props) {
  const s = useSession();
  const countable = s.capabilities.filter(c => c.counts !== "different");
  const [typeId, setTypeId] = useState(of?.entityTypeId ?? "");
  const [tier, setTier] = useState(tierText(of?.metadata ?? {}));
  const [label, setLabel] = useState(of?.label ?? "");
  const [capability, setCapability] = useState<Capability | null>(
    of ? (capabilityOf(of, s.capabilities) ?? null) : (countable.find(c => c === s.capability) ?? countable[0] ?? null),
  );
  const [draft, setDraft] = useState<Draft>(drafted(of));
  const metadata = of ? of.metadata : readTier(tier);
  const terms = termsOf(draft);
  const badLabel = !/^[a-zA-Z0-9_.-]*$/.test(label);
  const meant: Meant | null = capability && metadata && typeId ? { entityId, typeId, metadata, capability, label } : null;
  // What another one has saved meanwhile is of the default that was meant then.
  const about = JSON.stringify(meant && meantBy(meant));
  const [meanwhile, setMeanwhile] = useState<{ about: string; is: Default } | null>(null);
  const now = meanwhile?.about === about ? meanwhile.is : null;
  /** What saving changes; null: it makes a new one. */
  const from = now ?? of;
  const save = async (ifMatch?: string) => {
    if (!meant) return;
    const put = await putDefault(s, inputFor(meant, draft, from, ifMatch ?? "none"));
    s.wrote({
      text: `Default ${from ? "changed" : "set"}: ${capability?.name} ${limitWords(put.usageLimit)} ${perCadence(put.cadence)} for each ${s.types.get(typeId)?.displayName ?? typeId}`,
      entityIds: null,
      undo: () => (from ? putDefault(s, { ...inputOf(from), ifMatch: put.revision }) : deleteDefault(s, put)),
    });
  };
  const words = useDefaultWords(of ? sourceOf(of) : undefined);
  return (
    <FormDialog
      title={of ? "Change a default limit" : "Set a default limit"}
      action={of ? "Save" : "Set default"}
      ready={meant !== null && terms.ready && !badLabel}
      base={of ?? undefined}
      now={now}
      onNow={current => {
        const is = current as Default;
        setMeanwhile({ about, is });
        setDraft(merge(draft, drafted(from), drafted(is)).draft);
      }}
      save={save}
      onClose={onClose}
      wide
    >
      {now && <p className="wide muted">What you have not typed yourself is below as it was saved there.</p>}
      {of && !capability && (
        <div className="wide">
          <Notice kind="warn">
            This default is of a feature or currency that cannot be shown here, as it is archived or not open to you. It cannot be changed;
            it can be deleted.
          </Notice>
        </div>
      )}
      {of ? (
        <p className="wide break which">
          <span className="strong">{words}</span> · {capability?.name}
          {label && ` · “${label}”`}
        </p>
      ) : (
        <>
          <p className="wide muted">
            The limit of each that has none of its own, {entityId === null ? "in the whole customer" : <Below id={entityId} />}, also of
            those who come later. Each counts by itself.
          </p>
          <Select
            label="For each"
            value={typeId}
            onChange={setTypeId}
            options={[
              ["", "Choose a type"] as const,
              ...[...s.types.values()].filter(t => !t.archivedAt).map(t => [t.id, t.displayName] as const),
            ]}
          />
          <Text
            label="Only with metadata"
            value={tier}
            onChange={setTier}
            placeholder="all of them"
            hint="A tier, such as employment=contractor. The one with most conditions limits"
            problem={metadata === null ? "Write key=value, and a comma between several" : null}
          />
          <Select
            label="What is limited"
            value={capability ? idOf(capability) : ""}
            onChange={v => setCapability(countable.find(c => idOf(c) === v) ?? null)}
            options={countable.map(c => [idOf(c), c.name] as const)}
          />
          <Text
            label="Label"
            value={label}
            onChange={setLabel}
            placeholder="none"
            problem={badLabel ? "Letters, digits, _ . and -" : null}
            hint="Tells it from other limits of the same"
          />
        </>
      )}
      <TermFields
        draft={draft}
        set={d => setDraft(before => ({ ...before, ...d }))}
        capability={capability}
        percents={terms.percents}
        zone="the customer's"
        alerts={from ? "none" : "80, 100"}
      />
      {meant && <Effect meant={meant} of={from} draft={draft} />}
      {meant && terms.ready && !badLabel && (
        <div className="wide">
          <DefaultPreview input={inputFor(meant, draft, from)} />
        </div>
      )}
    </FormDialog>
  );
}

const Below = ({ id }: { id: string }) => <>below {useNames([id])(id)}</>;

const drafted = (of: Default | null): Draft => (of ? draftOf({ ...of, allocation: "none" }) : blank);

function inputFor(meant: Meant, draft: Draft, of: Default | null, ifMatch?: string): DefaultInput {
  const { amount, percents } = termsOf(draft);
  return {
    ...meantBy(meant),
    usageLimit: draft.unlimited ? null : amount,
    cadence: draft.cadence,
    enforcement: draft.enforcement,
    ...(draft.timezone || of ? { timezone: draft.timezone || null } : {}),
    ...(draft.thresholds.trim() || of ? { alertThresholds: percents } : {}),
    ...(of ? { anchor: of.anchor } : {}),
    ...(ifMatch === undefined ? {} : { ifMatch }),
  };
}

type EffectProps = { meant: Meant; of: Default | null; draft: Draft };

/** Whose limits saving changes, and who is stopped at once. */
function Effect({ meant, of, draft }: EffectProps) {
  const s = useSession();
  const settled = useSettled(JSON.stringify(meant));
  const got = useQuery({
    queryKey: ["reach", s.customerId, settled, of?.id],
    queryFn: () => reachOf(s, JSON.parse(settled) as Meant, of?.id ?? null),
  });
  const r = got.data;
  if (!r)
    return (
      <div className="wide">
        <Reading got={got} lines={2} />
      </div>
    );
  const { amount } = termsOf(draft);
  const spent = of && amount && draft.enforcement === "hard" ? r.spent(of.usageLimit, amount) : 0;
  const moved = of !== null && (draft.cadence !== of.cadence || (draft.timezone !== "" && draft.timezone !== of.timezone));
  return (
    <div className="wide">
      <Notice kind={spent > 0 && !moved ? "warn" : undefined}>
        <span className="strong">{r.more ? `Of the first ${count(r.all)}` : whom(s, meant, r)}</span>: {parts(r, of !== null).join("; ")}.
        {moved && " With another period each begins at 0."}
        {spent > 0 && !moved && amount && (
          <span className="strong">
            {" "}
            {count(spent)} {spent === 1 ? "has" : "have"} used it up already: {spent === 1 ? "its" : "their"} requests are stopped at once.
          </span>
        )}
      </Notice>
    </div>
  );
}

const whom = (s: Session, of: Meant, r: Reach) =>
  `${count(r.all)} of type ${s.types.get(of.typeId)?.displayName ?? of.typeId} ${r.all === 1 ? "is" : "are"} meant`;

/** What becomes of them. The server decides which of several defaults limits somebody. */
function parts(r: Reach, exists: boolean): string[] {
  const n = (k: number, one: string, many: string) => (k === 0 ? [] : [`${count(k)} ${k === 1 ? one : many}`]);
  const all = [
    ...n(r.by, "is limited by this default and changes at once", "are limited by this default and change at once"),
    ...(exists ? [] : n(r.none, "has no such limit and gets this one", "have no such limit and get this one")),
    ...n(r.own, "has a limit of its own, which stays", "have a limit of their own, which stays"),
    ...n(
      r.other,
      "has one by another default: the closest counts, then the one with most conditions",
      "have one by another default: the closest counts, then the one with most conditions",
    ),
  ];
  return all.length > 0 ? all : ["whoever comes later gets this one"];
}
