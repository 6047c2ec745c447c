import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { path } from "../api/client";
import type { CapabilityAmount, Page, Reservation } from "../api/types";
import { Amt, At, Button, Confirm, Empty, Reading, Select, statusName, statusOptions, toast, When } from "../ui";
import { useNames } from "./names";
import { capabilityOf, useSession } from "./session";

type Status = Reservation["status"];

/** Amounts that are set aside until their request says what it used. */
export function Holds({ entityId }: { entityId?: string }) {
  const s = useSession();
  const [status, setStatus] = useState<Status>("OPEN");
  const [cursors, setCursors] = useState<string[]>([""]);
  const [ending, setEnding] = useState<Reservation | null>(null);
  const after = cursors.at(-1) ?? "";
  const got = useQuery({
    queryKey: ["holds", s.customerId, entityId, status, after],
    queryFn: () => s.api.get<Page<Reservation>>(path`/customers/${s.customerId}/reservations`, { entityId, status, limit: 50, after }),
    refetchInterval: status === "OPEN" ? 10_000 : false,
  });
  const keys = new Set([...s.types.values()].flatMap(t => t.attributionKeys));
  const name = useNames(
    got.data?.data.flatMap(r => Object.entries(r.dimensions).flatMap(([k, v]) => (keys.has(k) ? [String(v)] : []))) ?? [],
  );
  const next = got.data?.pagination.next;
  return (
    <div className="stack">
      <div className="fields">
        <Select
          label="Show"
          value={status}
          onChange={v => {
            setStatus(v);
            setCursors([""]);
          }}
          options={statusOptions("hold")}
        />
      </div>
      <Reading got={got} lines={4} />
      {got.data?.data.length === 0 && (
        <Empty title={`No ${statusName("hold", status).toLowerCase()} holds`}>
          {status === "OPEN" && (
            <p>A hold sets an amount aside while a request runs, so that it cannot overspend. It ends when what was used is recorded.</p>
          )}
        </Empty>
      )}
      {got.data && got.data.data.length > 0 && (
        <div className="panel table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Made</th>
                <th>Usage of</th>
                <th className="right">Held</th>
                {status !== "OPEN" && <th className="right">Recorded</th>}
                <th>For</th>
                <th>{status === "OPEN" ? "Expires" : "Ended"}</th>
                {status === "OPEN" && s.rights.provision && (
                  <th>
                    <span className="hidden">Actions</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {got.data.data.map(r => (
                <tr key={r.id}>
                  <td title={r.id}>
                    <At at={r.createdAt} />
                  </td>
                  <td>{r.eventName ?? capabilityOf(r, s.capabilities)?.name ?? r.featureId ?? r.currencyId}</td>
                  <td className="right">{r.amount === undefined ? <Parts of={r.held} /> : <Amt v={r.amount} />}</td>
                  {status !== "OPEN" && (
                    <td className="right">{r.committedAmount === null ? <Parts of={r.used} /> : <Amt v={r.committedAmount} />}</td>
                  )}
                  <td
                    className="small muted break"
                    title={Object.entries(r.dimensions)
                      .map(([k, v]) => `${k}=${v}`)
                      .join(" ")}
                  >
                    {Object.entries(r.dimensions)
                      .map(([k, v]) => (keys.has(k) ? name(String(v)) : String(v)))
                      .join(" · ")}
                  </td>
                  <td>{status === "OPEN" ? <When at={r.expiresAt} future /> : r.closedAt ? <At at={r.closedAt} /> : "–"}</td>
                  {status === "OPEN" && s.rights.provision && (
                    <td className="right">
                      <Button size="small" look="quiet" onClick={() => setEnding(r)}>
                        Release
                      </Button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Pager cursors={cursors} setCursors={setCursors} next={next} />
      {ending && (
        <Confirm
          title="Release this hold?"
          action="Release"
          danger
          onClose={() => setEnding(null)}
          onConfirm={async () => {
            await s.api.post(path`/customers/${s.customerId}/reservations/${ending.id}/release`);
            toast("Hold released");
            void got.refetch();
          }}
        >
          <p>The amount can be spent by others at once. The request that made the hold can no longer commit it.</p>
        </Confirm>
      )}
    </div>
  );
}

/** What an event holds or used, of each feature and currency. */
function Parts({ of }: { of?: CapabilityAmount[] }) {
  const s = useSession();
  if (!of?.length) return <>–</>;
  return of.map(x => (
    <div key={x.featureId ?? x.currencyId}>
      <Amt v={x.amount} unit={capabilityOf(x, s.capabilities)?.name ?? x.featureId ?? x.currencyId} />
    </div>
  ));
}

type PagerProps = { cursors: string[]; setCursors: (c: string[]) => void; next: string | null | undefined };

export function Pager({ cursors, setCursors, next }: PagerProps) {
  if (cursors.length < 2 && !next) return null;
  return (
    <nav className="row end" aria-label="Pages">
      <Button size="small" disabled={cursors.length < 2} onClick={() => setCursors(cursors.slice(0, -1))}>
        Newer
      </Button>
      <Button size="small" disabled={!next} onClick={() => next && setCursors([...cursors, next])}>
        Older
      </Button>
    </nav>
  );
}
