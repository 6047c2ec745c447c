import { useQuery } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { path } from "../api/client";
import { editable, readAmount } from "../api/typed";
import type { Currency, Feature, RateCard, RateVersion } from "../api/types";
import { fromLocal } from "../lib/time";
import { Button, Select, Text } from "../ui";
import { Echo } from "../ui/AmountField";
import { FormDialog, useFields } from "../ui/FormDialog";
import { matchText, parseMatch, perMillion } from "./rates";
import { useApi } from "./session";

type Draft = { featureId: string; match: string; price: string };

/** A rate card's first version, or another one that starts from the latest. */
export function CardForm({ card, from, onClose }: { card: RateCard | null; from: RateVersion | null; onClose: () => void }) {
  const api = useApi();
  const features = useQuery({ queryKey: ["features"], queryFn: () => api.all<Feature>("/features") });
  const currencies = useQuery({ queryKey: ["currencies"], queryFn: () => api.all<Currency>("/credits/custom-currencies") });
  const { values, bind } = useFields({
    id: "",
    displayName: "",
    currencyId: card?.currencyId ?? "",
    effective: "",
    corrects: "",
    rates: from?.rates.map((r): Draft => ({ featureId: r.featureId, match: matchText(r.match), price: editable(perMillion(r)) })) ?? [
      { featureId: "", match: "", price: "" },
    ],
  });
  const { id, displayName, corrects } = values;
  const currencyId = values.currencyId || currencies.data?.[0]?.id || "";
  const firstFeature = features.data?.[0]?.id ?? "";
  const rates = values.rates.map(r => ({
    featureId: r.featureId || firstFeature,
    amount: readAmount(r.price).amount,
    per: 1_000_000,
    match: parseMatch(r.match),
  }));
  const ready =
    rates.length > 0 &&
    rates.every(r => r.featureId && r.amount && r.match) &&
    (card !== null || (id !== "" && displayName !== "" && currencyId !== ""));
  const save = (ifMatch?: string) => {
    const body = { rates, effectiveFrom: fromLocal(values.effective) };
    return card
      ? api.post(path`/rate-cards/${card.id}/versions`, { ...body, ...(corrects ? { corrects: Number(corrects) } : {}) }, { ifMatch })
      : api.post("/rate-cards", { ...body, id, displayName, currencyId });
  };
  return (
    <FormDialog
      title={card ? `New version of ${card.displayName}` : "Add a rate card"}
      ready={ready}
      base={card ?? undefined}
      save={save}
      said={card ? "New version saved" : `${displayName} saved`}
      onClose={onClose}
      wide
    >
      {!card && (
        <>
          <Text label="Id" {...bind("id")} autoFocus placeholder="models" />
          <Text label="Name" {...bind("displayName")} placeholder="Models" />
          <Select
            label="Currency"
            {...bind("currencyId")}
            value={currencyId}
            options={(currencies.data ?? []).map(c => [c.id, c.displayName] as const)}
          />
        </>
      )}
      <Text label="In force from" type="datetime-local" {...bind("effective")} hint="Left empty: now" />
      {card && from && (
        <Select
          label="Corrects"
          {...bind("corrects")}
          options={[
            ["", "nothing: prices change from now on"],
            ...Array.from({ length: from.version }, (_, i) => [String(i + 1), `version ${i + 1}, to re-price what it charged`] as const),
          ]}
        />
      )}
      <fieldset className="wide stack tight plain">
        <legend className="small strong">Prices in {currencyId} per million</legend>
        <Prices {...bind("rates")} features={features.data ?? []} />
      </fieldset>
    </FormDialog>
  );
}

function Prices({ value, onChange, features }: { value: Draft[]; onChange: (v: Draft[]) => void; features: Feature[] }) {
  const set = (i: number, d: Partial<Draft>) => onChange(value.map((r, j) => (j === i ? { ...r, ...d } : r)));
  return (
    <>
      {value.map((r, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the place is the identity
        <div key={i} className="row rate">
          <select
            className="input"
            aria-label="Feature"
            value={r.featureId || features[0]?.id}
            onChange={e => set(i, { featureId: e.target.value })}
          >
            {features.map(f => (
              <option key={f.id} value={f.id}>
                {f.displayName}
              </option>
            ))}
          </select>
          <input
            className="input"
            aria-label="When"
            placeholder="otherwise; or model=a|b, region=eu"
            value={r.match}
            aria-invalid={parseMatch(r.match) === null || undefined}
            onChange={e => set(i, { match: e.target.value })}
          />
          <input
            className="input right num"
            aria-label="Price per million"
            inputMode="decimal"
            placeholder="0"
            value={r.price}
            aria-invalid={readAmount(r.price).problem !== null || undefined}
            onChange={e => set(i, { price: e.target.value })}
          />
          <Button
            look="quiet"
            aria-label="Remove this price"
            icon={<X size={15} />}
            disabled={value.length === 1}
            onClick={() => onChange(value.filter((_, j) => j !== i))}
          />
          {r.price !== "" && (
            <span className={`small ${readAmount(r.price).problem ? "ink-bad" : "muted"}`}>
              {readAmount(r.price).problem ?? <Echo value={r.price} />}
            </span>
          )}
        </div>
      ))}
      <div>
        <Button
          size="small"
          look="quiet"
          icon={<Plus size={14} />}
          onClick={() => onChange([...value, { featureId: value.at(-1)?.featureId ?? "", match: "", price: "" }])}
        >
          Price
        </Button>
      </div>
    </>
  );
}
