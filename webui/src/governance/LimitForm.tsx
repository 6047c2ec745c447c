import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useState } from "react";
import { decimal, formatExact, nano, parseAmount } from "../api/amount";
import { path } from "../api/client";
import type { Assignment, Enforcement, One, Simulation } from "../api/types";
import { cadenceWords, day, perCadence } from "../lib/time";
import { Amt, Button, Checkbox, Notice, Select, Skeleton, Text, Trouble, useAction, useSettled } from "../ui";
import { EntityPicker } from "./EntityPicker";
import { useNames } from "./names";
import { capabilityOf, type LimitInput, named, putLimits, useSession } from "./session";

const cadences = ["PT15M", "PT1H", "P1D", "P1W", "P1M", "P1Y", "P100Y"];
const zones = Intl.supportedValuesOf?.("timeZone") ?? [];

type Props = { entityId: string; limit: Assignment | null; onDone: () => void };

/** Sets one limit of an entity: a new one, or what may change of one that exists. */
export function LimitForm({ entityId, limit, onDone }: Props) {
  const s = useSession();
  const start = limit ? capabilityOf(limit, s.capabilities) : s.capability;
  const [capability, setCapability] = useState(start ?? s.capabilities[0] ?? null);
  const [label, setLabel] = useState(limit?.label ?? "");
  const [scope, setScope] = useState<string[]>(limit?.scopeEntityIds ?? []);
  const scopeName = useNames(scope);
  const [amount, setAmount] = useState(limit?.usageLimit == null ? "" : decimal(nano(limit.usageLimit)));
  const [unlimited, setUnlimited] = useState(limit !== null && limit.usageLimit === null);
  const [cadence, setCadence] = useState(limit?.cadence ?? "P1M");
  const [timezone, setTimezone] = useState(limit?.timezone ?? "");
  const [enforcement, setEnforcement] = useState<Enforcement>(limit?.enforcement ?? "hard");
  const [thresholds, setThresholds] = useState(limit ? limit.alertThresholds.join(", ") : "");
  const [strict, setStrict] = useState(limit?.allocation === "strict");
  const save = useAction();

  const parsed = parseAmount(amount);
  const percents = thresholds
    .split(/[\s,;%]+/)
    .filter(Boolean)
    .map(Number);
  const badAmount = !unlimited && amount !== "" && parsed === null;
  const badThresholds = percents.length > 10 || percents.some(p => !Number.isInteger(p) || p < 1 || p > 1000);
  const ready = capability !== null && (unlimited || parsed !== null) && !badThresholds && cadence !== "";

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
          ...(timezone ? { timezone } : {}),
          ...(thresholds.trim() || limit ? { alertThresholds: percents } : {}),
          allocation: strict ? "strict" : "none",
        };

  const submit = () =>
    save.start(
      async () => {
        if (!input) return;
        const before = limit ? [limit] : [];
        const undo = await putLimits(s, [input], before);
        const what = unlimited ? "no limit" : formatExact(parsed?.text ?? 0);
        s.wrote({
          text: `${limit ? "Limit changed" : "Limit set"}: ${capability?.name} ${what} ${perCadence(cadence)}`,
          entityIds: [entityId],
          undo,
        });
      },
      () => onDone(),
    );

  return (
    <form
      className="stack"
      onSubmit={e => {
        e.preventDefault();
        void submit();
      }}
    >
      <div className="fields">
        {!limit && (
          <>
            <Select
              label="What is limited"
              value={capability ? `${capability.kind}:${capability.id}` : ""}
              onChange={v => setCapability(s.capabilities.find(c => `${c.kind}:${c.id}` === v) ?? null)}
              options={s.capabilities.map(c => [`${c.kind}:${c.id}`, c.name] as const)}
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
        <div className="stack tight">
          <Text
            label={`Amount${capability?.unit ? ` (${capability.unit})` : ""}`}
            value={unlimited ? "" : amount}
            onChange={v => {
              setUnlimited(false);
              setAmount(v);
            }}
            inputMode="decimal"
            placeholder={unlimited ? "unlimited" : "0"}
            problem={badAmount ? "A number from 0, at most 15 digits and 9 decimals" : null}
            autoFocus
          />
          <Checkbox checked={unlimited} onChange={setUnlimited}>
            Unlimited, only counted
          </Checkbox>
        </div>
        <div className="stack tight">
          <Select
            label="Resets every"
            value={cadences.includes(cadence) ? cadence : "other"}
            onChange={v => setCadence(v === "other" ? "" : v)}
            options={[...cadences.map(c => [c, c === "P100Y" ? "never" : cadenceWords(c)] as const), ["other", "other…"] as const]}
          />
          {!cadences.includes(cadence) && (
            <Text
              label="ISO 8601 duration"
              value={cadence}
              onChange={v => setCadence(v.toUpperCase())}
              placeholder="PT6H, P2W"
              hint={cadence && perCadence(cadence)}
            />
          )}
        </div>
        <Text
          label="Time zone"
          value={timezone}
          onChange={setTimezone}
          placeholder="the customer's"
          list="gov-zones"
          hint="Periods begin at midnight there"
        />
        <datalist id="gov-zones">
          {zones.map(z => (
            <option key={z} value={z} />
          ))}
        </datalist>
        <Select
          label="When it is reached"
          value={enforcement}
          onChange={setEnforcement}
          options={[
            ["hard", "Stop requests (hard)"],
            ["soft", "Report only (soft)"],
          ]}
        />
        <Text
          label="Alert at percent"
          value={thresholds}
          onChange={setThresholds}
          placeholder={limit ? "none" : "80, 100"}
          problem={badThresholds ? "Up to ten whole percentages from 1 to 1000" : null}
        />
        <div className="wide">
          <Checkbox checked={strict} onChange={setStrict}>
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
                      {scopeName(id)}
                    </span>
                    <Button
                      look="quiet"
                      size="small"
                      aria-label={`Remove ${scopeName(id)}`}
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
      {input && <Preview input={input} />}
      {save.error !== null && <Trouble error={save.error} />}
      <div className="row end">
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" look="primary" busy={save.busy} disabled={!input}>
          {limit ? "Save" : "Set limit"}
        </Button>
      </div>
    </form>
  );
}

const previewDays = 30;

/** What the limit would have stopped of the last month's usage. */
function Preview({ input }: { input: LimitInput }) {
  const s = useSession();
  // Amounts are compared by their text: each reading makes new objects.
  const draft = useSettled(JSON.stringify({ ...input, usageLimit: input.usageLimit?.text ?? null }), 500);
  const result = useQuery({
    queryKey: ["simulate", s.customerId, draft],
    queryFn: () =>
      s.api.post<One<Simulation>>(path`/customers/${s.customerId}/simulate`, {
        startDate: new Date(Date.now() - previewDays * 86_400_000).toISOString(),
        assignments: [input],
      }),
    enabled: input.usageLimit !== null,
    retry: false,
    staleTime: 60_000,
  });
  const name = useNames(result.data?.data.entities.slice(0, 3).flatMap(e => e.entityId ?? []) ?? []);
  if (input.usageLimit === null) return <Notice>Usage is counted and shown; nothing is stopped.</Notice>;
  if (result.isPending) return <Skeleton lines={1} />;
  if (result.isError) return <Trouble error={result.error} />;
  const { drafts, entities, replayed } = result.data.data;
  const d = drafts[0];
  const basis = <span className="small muted">Based on usage accepted in the last {previewDays} days; other limits are ignored.</span>;
  if (!d || replayed === 0) return <Notice>No usage of the last {previewDays} days counts on this limit.</Notice>;
  const count = (n: number) => n.toLocaleString("en");
  if (d.stopped === 0)
    return (
      <Notice>
        It would have stopped none of {count(replayed)} requests; the fullest period used <Amt v={d.peakUsage} />.<div>{basis}</div>
      </Notice>
    );
  return (
    <Notice kind="warn">
      <span className="strong">
        It would have {input.enforcement === "soft" ? "reported" : "stopped"} {count(d.stopped)} of {count(replayed)} requests
      </span>{" "}
      (<Amt v={d.stoppedUsage} /> in all), the first on {d.firstStoppedAt ? day(d.firstStoppedAt) : "–"}.
      {entities.length > 0 && (
        <div className="break">
          Most affected:{" "}
          {entities
            .slice(0, 3)
            .map(e => `${e.entityId ? name(e.entityId) : "the customer"} (${count(e.stopped)})`)
            .join(", ")}
        </div>
      )}
      <div>{basis}</div>
    </Notice>
  );
}
