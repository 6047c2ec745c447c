import { useQuery } from "@tanstack/react-query";
import { path } from "../../api/client";
import type { Denial, Page } from "../../api/types";
import { shortTime } from "../../lib/time";
import { Empty } from "../../ui";
import { Table } from "../../ui/List";
import { reasonWords } from "../Answer";
import { useNames } from "../names";
import { useSession } from "../session";
import { More, Panel } from "./Panel";
import { modelOf, rarely } from "./reads";

const capital = (text: string) => text.replace(/^./, c => c.toUpperCase());

/** The newest requests that were stopped. */
export function Stopped() {
  const s = useSession();
  const got = useQuery({
    queryKey: ["stopped", s.customerId],
    queryFn: () => s.api.get<Page<Denial>>(path`/customers/${s.customerId}/denials`, { limit: 8 }),
    ...rarely,
    staleTime: 30_000,
  });
  const rows = got.data?.data ?? [];
  const keys = new Set([...s.types.values()].flatMap(t => t.attributionKeys));
  const model = modelOf(s).key;
  // Whoever asked, rather than what was asked.
  const lowest = (d: Denial) => {
    const who = Object.entries(d.dimensions).filter(([k]) => keys.has(k));
    return String((who.find(([k]) => k !== model) ?? who[0])?.[1] ?? "");
  };
  const name = useNames(rows.flatMap(d => [lowest(d), d.binding?.entityId ?? ""]).filter(id => id !== ""));
  return (
    <Panel title="Stopped lately" got={got}>
      {rows.length === 0 ? (
        <Empty title="Nothing has been stopped lately" />
      ) : (
        <Table
          rows={rows}
          id={d => d.id}
          columns={[
            {
              head: "Who",
              look: "break",
              cell: d => (
                <>
                  <button type="button" className="link strong" onClick={() => s.go("explain", { denial: d.id, at: d.timestamp })}>
                    {lowest(d) ? name(lowest(d)) : "Somebody"}
                  </button>
                  <div className="small muted">{capital(reasonWords(d.reason))}</div>
                </>
              ),
            },
            { head: "Stopped by", look: "break", cell: d => (d.binding?.entityId ? name(d.binding.entityId) : "–") },
            { head: "When", look: "nowrap small muted", cell: d => shortTime(d.timestamp) },
          ]}
        />
      )}
      <More onClick={() => s.go("stopped")}>All that was stopped</More>
    </Panel>
  );
}
