import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { path } from "../api/client";
import type { Currency } from "../api/types";
import { Checkbox, Confirm, Text, toast } from "../ui";
import { FormDialog, useFields } from "../ui/FormDialog";
import { List, RowButton } from "../ui/List";
import { useApi } from "./session";

export function Currencies() {
  const api = useApi();
  const [editing, setEditing] = useState<Currency | "new" | null>(null);
  const [archiving, setArchiving] = useState<Currency | null>(null);
  const got = useQuery({ queryKey: ["currencies"], queryFn: () => api.all<Currency>("/credits/custom-currencies") });
  return (
    <List
      about="What customers buy. A prepaid currency has a pool per customer, filled by grants; when it is empty, requests stop."
      add="Add a currency"
      onAdd={() => setEditing("new")}
      got={got}
      none={{ title: "No currencies yet", text: "Such as credits." }}
      columns={[
        { head: "Name", look: "strong break", cell: c => c.displayName },
        { head: "Id", cell: c => <code>{c.id}</code> },
        { head: "Symbol", cell: c => c.symbol ?? "–" },
        { head: "Units", look: "muted", cell: c => c.units?.plural ?? "–" },
        { head: "Pool", look: "muted", cell: c => (c.prepaid ? "prepaid" : "none, only limits") },
      ]}
      actions={c => (
        <>
          <RowButton onClick={() => setEditing(c)}>Edit</RowButton>
          <RowButton onClick={() => setArchiving(c)}>Archive</RowButton>
        </>
      )}
    >
      {editing && <CurrencyForm currency={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {archiving && (
        <Confirm
          title={`Archive ${archiving.displayName}?`}
          action="Archive"
          danger
          onClose={() => setArchiving(null)}
          onConfirm={async () => {
            await api.post(path`/credits/custom-currencies/${archiving.id}/archive`);
            toast(`${archiving.displayName} archived`);
            void got.refetch();
          }}
        >
          <p>A currency that limits, grants or rate cards use cannot be archived.</p>
        </Confirm>
      )}
    </List>
  );
}

function CurrencyForm({ currency, onClose }: { currency: Currency | null; onClose: () => void }) {
  const api = useApi();
  const { values, bind, set } = useFields({
    id: currency?.id ?? "",
    displayName: currency?.displayName ?? "",
    symbol: currency?.symbol ?? "",
    singular: currency?.units?.singular ?? "",
    plural: currency?.units?.plural ?? "",
    prepaid: currency?.prepaid ?? true,
  });
  const { id, displayName, symbol, singular, plural, prepaid } = values;
  const units = singular && plural ? { units: { singular, plural } } : {};
  return (
    <FormDialog
      title={currency ? `Edit ${currency.displayName}` : "Add a currency"}
      ready={id !== "" && displayName !== ""}
      base={currency ?? undefined}
      save={ifMatch =>
        currency
          ? api.patch(path`/credits/custom-currencies/${id}`, { displayName, symbol, ...units }, ifMatch)
          : api.post("/credits/custom-currencies", { id, displayName, ...(symbol ? { symbol } : {}), ...units, prepaid })
      }
      said={`${displayName} saved`}
      onClose={onClose}
    >
      {!currency && <Text label="Id" {...bind("id")} autoFocus placeholder="credits" />}
      <Text label="Name" {...bind("displayName")} placeholder="Credits" />
      <Text label="Symbol" {...bind("symbol")} placeholder="none" />
      <Text label="Unit" {...bind("singular")} placeholder="credit" />
      <Text label="Units" {...bind("plural")} placeholder="credits" />
      {!currency && (
        <div className="wide">
          <Checkbox checked={prepaid} onChange={v => set({ prepaid: v })}>
            Prepaid: requests stop when the customer's pool is empty
          </Checkbox>
        </div>
      )}
    </FormDialog>
  );
}
