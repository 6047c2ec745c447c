import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { useState } from "react";
import { formatExact, parseAmount } from "../api/amount";
import { path } from "../api/client";
import type { Currency, Feature, Page, Rate, RateCard, RateVersion, Unpriced } from "../api/types";
import { fromLocal, longTime, shortTime } from "../lib/time";
import { Button, Confirm, Dialog, Empty, Notice, Select, Skeleton, Text, Trouble, toast, useAction } from "../ui";
import { useApi } from "./App";
import { Editor } from "./Catalogue";
import { diffRates, matchText, matchWords, parseMatch, perMillion } from "./rates";

export function RateCards() {
  const api = useApi();
  const [adding, setAdding] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const cards = useQuery({ queryKey: ["cards"], queryFn: () => api.all<RateCard>("/rate-cards") });
  const unpriced = useQuery({ queryKey: ["unpriced"], queryFn: () => api.get<Page<Unpriced>>("/rate-cards/unpriced", { limit: 50 }) });
  const shown = cards.data?.find(c => c.id === open);
  return (
    <>
      <div className="row between wrap">
        <p className="muted" style={{ maxWidth: "64ch" }}>
          Prices of features in a currency, by dimension. A version is never changed; a new one follows it, or corrects it.
        </p>
        <Button look="primary" icon={<Plus size={15} />} onClick={() => setAdding(true)}>
          Add a rate card
        </Button>
      </div>
      {cards.isPending && <Skeleton />}
      {cards.isError && <Trouble error={cards.error} retry={() => cards.refetch()} />}
      {unpriced.data && unpriced.data.data.length > 0 && (
        <Notice kind="warn">
          <span className="strong">Usage without a price:</span>{" "}
          {unpriced.data.data
            .slice(0, 3)
            .map(
              u =>
                `${u.featureId} ${Object.entries(u.dimensions)
                  .map(([k, v]) => `${k}=${v}`)
                  .join(" ")} (${u.count}×)`,
            )
            .join(", ")}
        </Notice>
      )}
      {cards.data?.length === 0 && <Empty title="No rate cards yet">Credits per million tokens, for example, by model.</Empty>}
      {cards.data && cards.data.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Id</th>
                <th>In</th>
                <th className="right">Prices</th>
                <th className="right">Version</th>
                <th>Since</th>
                <th>
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {cards.data.map(c => (
                <tr key={c.id}>
                  <td className="strong break">
                    {c.displayName} {c.archivedAt && <span className="chip">archived</span>}
                  </td>
                  <td>
                    <code>{c.id}</code>
                  </td>
                  <td className="muted">{c.currencyId}</td>
                  <td className="right num">{c.rates.length}</td>
                  <td className="right num">{c.version}</td>
                  <td className="muted num">{longTime(c.effectiveFrom)}</td>
                  <td className="right">
                    <Button size="small" look="quiet" onClick={() => setOpen(c.id)}>
                      Open
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {shown && <Card card={shown} onClose={() => setOpen(null)} />}
      {adding && <CardForm card={null} from={null} onClose={() => setAdding(false)} />}
    </>
  );
}

function Card({ card, onClose }: { card: RateCard; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [act, setAct] = useState<"version" | "archive" | null>(null);
  const [chosen, setChosen] = useState<number | null>(null);
  const got = useQuery({ queryKey: ["card", card.id], queryFn: () => api.all<RateVersion>(path`/rate-cards/${card.id}/versions`) });
  const versions = [...(got.data ?? [])].sort((a, b) => b.version - a.version);
  const at = versions.find(v => v.version === chosen) ?? versions[0];
  const before = at && versions.find(v => v.version === (at.corrects ?? at.version - 1));
  return (
    <Dialog
      title={card.displayName}
      kind="wide"
      onClose={onClose}
      foot={
        !card.archivedAt && (
          <>
            <Button look="danger" onClick={() => setAct("archive")}>
              Archive
            </Button>
            <Button look="primary" onClick={() => setAct("version")}>
              New version
            </Button>
          </>
        )
      }
    >
      {got.isPending && <Skeleton />}
      {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
      {at && (
        <div className="stack">
          <div className="fields">
            <Select
              label="Version"
              value={String(at.version)}
              onChange={v => setChosen(Number(v))}
              options={versions.map(
                v =>
                  [
                    String(v.version),
                    `${v.version} · from ${shortTime(v.effectiveFrom)}${v.corrects ? ` · corrects ${v.corrects}` : ""}`,
                  ] as const,
              )}
            />
          </div>
          {before && <Diff before={before} after={at} />}
          <RateTable rates={at.rates} currency={card.currencyId} />
        </div>
      )}
      {act === "version" && at && versions[0] && (
        <CardForm
          card={card}
          from={versions[0]}
          onClose={() => {
            setAct(null);
            void got.refetch();
          }}
        />
      )}
      {act === "archive" && (
        <Confirm
          title={`Archive ${card.displayName}?`}
          action="Archive"
          danger
          onClose={() => setAct(null)}
          onConfirm={async () => {
            await api.post(path`/rate-cards/${card.id}/archive`);
            toast(`${card.displayName} archived`);
            void client.invalidateQueries();
            onClose();
          }}
        >
          <p>
            Pricing by it ends now: usage of its features costs nothing in {card.currencyId} and draws on no pool. This cannot be undone.
          </p>
        </Confirm>
      )}
    </Dialog>
  );
}

function RateTable({ rates, currency }: { rates: Rate[]; currency: string }) {
  return (
    <div className="panel table-wrap" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Feature</th>
            <th>When</th>
            <th className="right">{currency} per million</th>
          </tr>
        </thead>
        <tbody>
          {rates.map((r, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: versions do not change
            <tr key={i}>
              <td>{r.featureId}</td>
              <td className="muted break">{matchWords(r.match) || "otherwise"}</td>
              <td className="right num" title={`${formatExact(r.amount)} per ${r.per.toLocaleString("en")}`}>
                {formatExact(perMillion(r))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Diff({ before, after }: { before: RateVersion; after: RateVersion }) {
  const diff = diffRates(before.rates, after.rates);
  return (
    <section className="stack tight">
      <h3>Compared with version {before.version}</h3>
      {diff.length === 0 ? (
        <p className="small muted">The same prices.</p>
      ) : (
        <ul className="small stack tight">
          {diff.map(d => (
            <li key={d.featureId + d.match} className="break">
              <span className="strong">{d.featureId}</span> <span className="muted">{d.match || "otherwise"}</span>{" "}
              <span className="num">
                {d.before ?? "no price"} → {d.after ?? "no price"}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

type Draft = { featureId: string; match: string; price: string };

/** A rate card's first version, or another one that starts from the latest. */
function CardForm({ card, from, onClose }: { card: RateCard | null; from: RateVersion | null; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const features = useQuery({ queryKey: ["features"], queryFn: () => api.all<Feature>("/features") });
  const currencies = useQuery({ queryKey: ["currencies"], queryFn: () => api.all<Currency>("/credits/custom-currencies") });
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const [currency, setCurrency] = useState(card?.currencyId ?? "");
  const [effective, setEffective] = useState("");
  const [corrects, setCorrects] = useState("");
  const [rates, setRates] = useState<Draft[]>(
    from?.rates.map(r => ({ featureId: r.featureId, match: matchText(r.match), price: perMillion(r) })) ?? [
      { featureId: "", match: "", price: "" },
    ],
  );
  const run = useAction();
  const inCurrency = currency || currencies.data?.[0]?.id || "";
  const set = (i: number, d: Partial<Draft>) => setRates(rates.map((r, j) => (j === i ? { ...r, ...d } : r)));
  const firstFeature = features.data?.[0]?.id ?? "";
  const read = rates.map(r => ({
    featureId: r.featureId || firstFeature,
    amount: parseAmount(r.price),
    per: 1_000_000,
    match: parseMatch(r.match),
  }));
  const ready =
    read.length > 0 &&
    read.every(r => r.featureId && r.amount && r.match) &&
    (card !== null || (id !== "" && name !== "" && inCurrency !== ""));
  const save = () =>
    run.start(
      () => {
        const body = { rates: read, effectiveFrom: fromLocal(effective) };
        return card
          ? api.post(path`/rate-cards/${card.id}/versions`, { ...body, ...(corrects ? { corrects: Number(corrects) } : {}) })
          : api.post("/rate-cards", { ...body, id, displayName: name, currencyId: inCurrency });
      },
      () => {
        toast(card ? "New version saved" : `${name} saved`);
        void client.invalidateQueries();
        onClose();
      },
    );
  return (
    <Editor
      title={card ? `New version of ${card.displayName}` : "Add a rate card"}
      run={run}
      ready={ready}
      onSave={save}
      onClose={onClose}
      wide
    >
      {!card && (
        <>
          <Text label="Id" value={id} onChange={setId} autoFocus placeholder="models" />
          <Text label="Name" value={name} onChange={setName} placeholder="Models" />
          <Select
            label="Currency"
            value={inCurrency}
            onChange={setCurrency}
            options={(currencies.data ?? []).map(c => [c.id, c.displayName] as const)}
          />
        </>
      )}
      <Text label="In force from" type="datetime-local" value={effective} onChange={setEffective} hint="Left empty: now" />
      {card && from && (
        <Select
          label="Corrects"
          value={corrects}
          onChange={setCorrects}
          options={[
            ["", "nothing: prices change from now on"],
            ...Array.from({ length: from.version }, (_, i) => [String(i + 1), `version ${i + 1}, to re-price what it charged`] as const),
          ]}
        />
      )}
      <fieldset className="wide stack tight plain">
        <legend className="small strong">Prices in {inCurrency} per million</legend>
        {rates.map((r, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the place is the identity
          <div key={i} className="row rate">
            <select
              className="input"
              aria-label="Feature"
              value={r.featureId || firstFeature}
              onChange={e => set(i, { featureId: e.target.value })}
            >
              {(features.data ?? []).map(f => (
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
              aria-invalid={(r.price !== "" && parseAmount(r.price) === null) || undefined}
              onChange={e => set(i, { price: e.target.value })}
            />
            <Button
              look="quiet"
              aria-label="Remove this price"
              icon={<X size={15} />}
              disabled={rates.length === 1}
              onClick={() => setRates(rates.filter((_, j) => j !== i))}
            />
          </div>
        ))}
        <div>
          <Button
            size="small"
            look="quiet"
            icon={<Plus size={14} />}
            onClick={() => setRates([...rates, { featureId: rates.at(-1)?.featureId ?? "", match: "", price: "" }])}
          >
            Price
          </Button>
        </div>
      </fieldset>
    </Editor>
  );
}
