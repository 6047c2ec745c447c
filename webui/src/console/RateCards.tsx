import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Page, RateCard, Unpriced, Unread } from "../api/types";
import { day, longTime } from "../lib/time";
import { Notice } from "../ui";
import { List, RowButton } from "../ui/List";
import { Card } from "./Card";
import { CardForm } from "./CardForm";
import { useApi } from "./session";

export function RateCards() {
  const api = useApi();
  const [adding, setAdding] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const got = useQuery({ queryKey: ["cards"], queryFn: () => api.all<RateCard>("/rate-cards") });
  const unpriced = useQuery({ queryKey: ["unpriced"], queryFn: () => api.get<Page<Unpriced>>("/rate-cards/unpriced") });
  const unread = useQuery({ queryKey: ["unread"], queryFn: () => api.get<Page<Unread>>("/events/unread") });
  const shown = got.data?.find(c => c.id === open);
  return (
    <List
      about="Prices of features in a currency, by dimension. A version is never changed; a new one follows it, or corrects it."
      add="Add a rate card"
      onAdd={() => setAdding(true)}
      got={got}
      none={{ title: "No rate cards yet", text: "Credits per million tokens, for example, by model." }}
      columns={[
        {
          head: "Name",
          look: "strong break",
          cell: c => (
            <>
              {c.displayName} {c.archivedAt && <span className="chip">archived</span>}
            </>
          ),
        },
        { head: "Id", cell: c => <code>{c.id}</code> },
        { head: "Currency", look: "muted", cell: c => c.currencyId },
        { head: "Prices", look: "right num", cell: c => c.rates.length },
        { head: "Version", look: "right num", cell: c => c.version },
        { head: "In force from", look: "muted num", cell: c => <span title={longTime(c.effectiveFrom)}>{day(c.effectiveFrom)}</span> },
      ]}
      actions={c => <RowButton onClick={() => setOpen(c.id)}>Open</RowButton>}
    >
      {unpriced.data && unpriced.data.data.length > 0 && <NoPrice rows={unpriced.data.data} />}
      {unread.data && unread.data.data.length > 0 && <NotRead rows={unread.data.data} />}
      {shown && <Card card={shown} onClose={() => setOpen(null)} />}
      {adding && <CardForm card={null} from={null} onClose={() => setAdding(false)} />}
    </List>
  );
}

function NoPrice({ rows }: { rows: Unpriced[] }) {
  const words = (u: Unpriced) => [u.featureId, ...Object.entries(u.dimensions).map(([k, v]) => `${k}=${v}`), `(${u.count}×)`].join(" ");
  return (
    <Notice kind="warn">
      <span className="strong">Usage without a price:</span> {rows.slice(0, 3).map(words).join(", ")}
      {rows.length > 3 && ` and ${rows.length - 3} more`}
    </Notice>
  );
}

function NotRead({ rows }: { rows: Unread[] }) {
  const words = (u: Unread) => [u.eventName, u.model, u.members.join(" ") || "nothing of it", `(${u.count}×)`].filter(Boolean).join(" ");
  return (
    <Notice kind="warn">
      <span className="strong">Usage that was not understood:</span> {rows.slice(0, 3).map(words).join(", ")}
      {rows.length > 3 && ` and ${rows.length - 3} more`}
    </Notice>
  );
}
