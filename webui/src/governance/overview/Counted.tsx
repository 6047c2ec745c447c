import type { UseQueryResult } from "@tanstack/react-query";
import { formatShort } from "../../api/amount";
import type { TreeRow } from "../../api/types";
import { perCadence } from "../../lib/time";
import { Amt, Empty } from "../../ui";
import { Table } from "../../ui/List";
import { useSession } from "../session";
import { More, NameLink, Panel } from "./Panel";

/** What limits have counted, where usage does not add up. */
export function Counted({ got }: { got: UseQueryResult<TreeRow[]> }) {
  const s = useSession();
  const rows = (got.data ?? []).filter(r => r.usageLimit !== null).slice(0, 20);
  return (
    <Panel title="Limits at the top" got={got}>
      {rows.length === 0 ? (
        <Empty title="No limits" />
      ) : (
        <Table
          rows={rows}
          id={r => r.assignmentId ?? r.entityId}
          columns={[
            { head: "Who", look: "break", cell: r => <NameLink id={r.entityId} name={r.displayName ?? r.entityId} /> },
            {
              head: "Counted",
              look: "right",
              cell: r => (
                <>
                  <Amt v={r.currentUsage ?? 0} /> <span className="muted">of {formatShort(r.usageLimit ?? 0)}</span>
                </>
              ),
            },
            { head: "Period", look: "small muted", cell: r => perCadence(r.cadence ?? "") },
          ]}
        />
      )}
      <More onClick={() => s.go("tree")}>All budgets</More>
    </Panel>
  );
}
