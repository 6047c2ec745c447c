import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { formatExact } from "../api/amount";
import { path } from "../api/client";
import { count } from "../api/locale";
import type { Rate, RateCard, RateVersion } from "../api/types";
import { shortTime } from "../lib/time";
import { Button, Confirm, Dialog, Reading, Select, Text, toast } from "../ui";
import { Table } from "../ui/List";
import { CardForm } from "./CardForm";
import { Reprice } from "./Reprice";
import { diffRates, matchWords, perMillion } from "./rates";
import { useApi } from "./session";

export function Card({ card, onClose }: { card: RateCard; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [act, setAct] = useState<"version" | "reprice" | "archive" | null>(null);
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
            {versions.some(v => v.corrects !== null) && <Button onClick={() => setAct("reprice")}>Re-price</Button>}
            <Button look="primary" onClick={() => setAct("version")}>
              New version
            </Button>
          </>
        )
      }
    >
      <Reading got={got} />
      {at && (
        <div className="stack">
          <div className="version">
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
      {act === "version" && at && versions[0] && <CardForm card={card} from={versions[0]} onClose={() => setAct(null)} />}
      {act === "reprice" && <Reprice card={card} versions={versions} onClose={() => setAct(null)} />}
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

/** How many rates or differences are shown at once. */
const mostShown = 200;

function RateTable({ rates, currency }: { rates: Rate[]; currency: string }) {
  const [text, setText] = useState("");
  const found = rates.filter(r => `${r.featureId} ${matchWords(r.match)}`.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <div className="stack tight">
      {rates.length > mostShown && (
        <Text
          label="Find a price"
          type="search"
          placeholder="Model, feature or provider"
          value={text}
          onChange={setText}
          hint={`${count(Math.min(found.length, mostShown))} of ${count(found.length)} shown`}
        />
      )}
      <Table
        look="panel rates"
        rows={found.slice(0, mostShown)}
        id={(_, i) => String(i)}
        columns={[
          { head: "Feature", look: "nowrap", cell: r => r.featureId },
          { head: "When", look: "muted break", cell: r => matchWords(r.match) || "otherwise" },
          {
            head: `${currency} per million`,
            look: "right num",
            cell: r => <span title={`${formatExact(r.amount)} per ${count(r.per)}`}>{formatExact(perMillion(r))}</span>,
          },
        ]}
      />
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
          {diff.length > mostShown && (
            <li className="muted">
              {count(diff.length)} prices differ; the first {mostShown}:
            </li>
          )}
          {diff.slice(0, mostShown).map(d => (
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
