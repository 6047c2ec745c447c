import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { formatExact } from "../api/amount";
import type { Grant, LedgerEntry, Page } from "../api/types";
import { Pager } from "../governance/Holds";
import { At, Empty, Reading } from "../ui";
import { Table } from "../ui/List";
import { useApi } from "./session";

/** What moved a customer's grants, newest first. */
export function Ledger({ customerId, currencyId, grants }: { customerId: string; currencyId: string; grants: Grant[] }) {
  const api = useApi();
  const [cursors, setCursors] = useState([""]);
  const [type, setType] = useState("");
  const after = cursors.at(-1) ?? "";
  const got = useQuery({
    queryKey: ["ledger", customerId, currencyId, type, after],
    queryFn: () => api.get<Page<LedgerEntry>>("/credits/ledger", { customerId, currencyId, eventType: type, limit: 25, after }),
  });
  const name = (id: string) => grants.find(g => g.id === id)?.displayName ?? id;
  return (
    <section className="panel">
      <header>
        <h2 className="grow">Ledger</h2>
        <select
          className="input"
          style={{ width: "auto" }}
          aria-label="Kind of entry"
          value={type}
          onChange={e => {
            setType(e.target.value);
            setCursors([""]);
          }}
        >
          <option value="">All entries</option>
          {["GRANTED", "CONSUMED", "EXPIRED", "VOIDED", "UPDATED"].map(t => (
            <option key={t} value={`CREDITS_${t}`}>
              {t.toLowerCase()}
            </option>
          ))}
        </select>
      </header>
      {(got.isPending || got.isError) && (
        <div className="body">
          <Reading got={got} />
        </div>
      )}
      {got.data?.data.length === 0 && <Empty title="No entries" />}
      {got.data && got.data.data.length > 0 && (
        <Table
          rows={got.data.data}
          id={(_, i) => String(i)}
          columns={[
            { head: "Time", look: "muted", cell: e => <At at={e.timestamp} /> },
            { head: "Entry", cell: e => e.eventType.replace("CREDITS_", "").replaceAll("_", " ").toLowerCase() },
            { head: "Grant", look: "break", cell: e => <span title={e.creditGrantId}>{name(e.creditGrantId)}</span> },
            { head: "For", look: "muted", cell: e => e.featureId ?? "–" },
            { head: "Amount", look: "right num", cell: e => formatExact(e.amount) },
          ]}
        />
      )}
      {(cursors.length > 1 || got.data?.pagination.next) && (
        <div className="body" style={{ paddingTop: 12 }}>
          <Pager cursors={cursors} setCursors={setCursors} next={got.data?.pagination.next} />
        </div>
      )}
    </section>
  );
}
