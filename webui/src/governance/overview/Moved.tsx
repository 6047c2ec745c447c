import type { EntityType } from "../../api/types";
import { Amt, Empty } from "../../ui";
import { Table } from "../../ui/List";
import { Change } from "../Figure";
import { useNames } from "../names";
import { NameLink, Panel } from "./Panel";
import type { useMoved } from "./reads";

export function Moved({ got, type }: { got: ReturnType<typeof useMoved>; type: EntityType | null }) {
  const rows = got.data ?? [];
  const name = useNames(rows.map(r => r.id));
  if (type === null || got.data === null || (got.fetchStatus === "idle" && !got.data)) return null;
  return (
    <Panel title={`Changed most: ${type.displayName.toLowerCase()}`} note="against the period before" got={got}>
      {rows.length === 0 ? (
        <Empty title="No change to speak of" />
      ) : (
        <Table
          rows={rows}
          id={r => r.id}
          columns={[
            { head: type.displayName, look: "break", cell: r => <NameLink id={r.id} name={name(r.id)} /> },
            { head: "Before", look: "right", cell: r => <Amt v={r.was} /> },
            { head: "Now", look: "right", cell: r => <Amt v={r.like} /> },
            { head: "Change", look: "right", cell: r => <Change now={r.like} before={r.was} /> },
          ]}
        />
      )}
    </Panel>
  );
}
