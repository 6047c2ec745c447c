import type { Exact } from "../api/json";
import { readAmount } from "../api/typed";
import type { Capability } from "../api/types";
import { cadences, cadenceWords, perCadence } from "../lib/time";
import { Checkbox, Select, Text } from "../ui";
import { AmountField } from "../ui/AmountField";
import type { Draft } from "./conflict";

const zones = Intl.supportedValuesOf?.("timeZone") ?? [];

const badPercents = (percents: number[]) => percents.length > 10 || percents.some(p => !Number.isInteger(p) || p < 1 || p > 1000);

/** What a draft says: the amount, null for unlimited, and the percentages of alerts; ready: all of it can be sent. */
export function termsOf({ amount, unlimited, cadence, thresholds }: Draft): { amount: Exact | null; percents: number[]; ready: boolean } {
  const read = unlimited ? null : readAmount(amount).amount;
  const percents = thresholds
    .split(/[\s,;%]+/)
    .filter(Boolean)
    .map(Number);
  return { amount: read, percents, ready: (unlimited || read !== null) && !badPercents(percents) && cadence !== "" };
}

type Props = {
  draft: Draft;
  set: (d: Partial<Draft>) => void;
  capability: Capability | null;
  percents: number[];
  /** What holds where no time zone, and no percentages, are typed. */
  zone: string;
  alerts: string;
};

/** The fields of what a limit says: how much, how often, where, and what happens then. */
export function TermFields({ draft, set, capability, percents, zone, alerts }: Props) {
  const { amount, unlimited, cadence, timezone, enforcement, thresholds } = draft;
  return (
    <>
      <div className="stack tight">
        <AmountField
          label={`Amount${capability?.unit ? ` (${capability.unit})` : ""}`}
          unit={capability?.unit || capability?.name}
          value={unlimited ? "" : amount}
          onChange={v => set({ unlimited: false, amount: v })}
          placeholder={unlimited ? "unlimited" : "0"}
          autoFocus
        />
        <Checkbox checked={unlimited} onChange={v => set({ unlimited: v })}>
          Unlimited, only counted
        </Checkbox>
      </div>
      <div className="stack tight">
        <Select
          label="Resets every"
          value={cadences.includes(cadence) ? cadence : "other"}
          onChange={v => set({ cadence: v === "other" ? "" : v })}
          options={[...cadences.map(c => [c, c === "P100Y" ? "never" : cadenceWords(c)] as const), ["other", "other…"] as const]}
        />
        {!cadences.includes(cadence) && (
          <Text
            label="ISO 8601 duration"
            value={cadence}
            onChange={v => set({ cadence: v.toUpperCase() })}
            placeholder="PT6H, P2W"
            hint={cadence && perCadence(cadence)}
          />
        )}
      </div>
      <Text
        label="Time zone"
        value={timezone}
        onChange={v => set({ timezone: v })}
        placeholder={zone}
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
        onChange={v => set({ enforcement: v })}
        options={[
          ["hard", "Stop requests (hard)"],
          ["soft", "Report only (soft)"],
        ]}
      />
      <Text
        label="Alert at percent"
        value={thresholds}
        onChange={v => set({ thresholds: v })}
        placeholder={alerts}
        problem={badPercents(percents) ? "Up to ten whole percentages from 1 to 1000" : null}
      />
    </>
  );
}
