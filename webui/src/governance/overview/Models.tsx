import { dayOnly } from "../../lib/time";
import { Amt, UsageBar } from "../../ui";
import { Table } from "../../ui/List";
import { Change } from "../Figure";
import { useNames } from "../names";
import type { Period } from "../period";
import { useSession } from "../session";
import { More, NoGroups, Panel } from "./Panel";
import { rowsShown, type Sums } from "./reads";

export function Models({ got, period, model }: { got: Sums; period: Period; model: { key: string; typeId: string } }) {
  const s = useSession();
  const rows = (got.data ?? []).filter(x => Number(x.total) > 0).slice(0, rowsShown);
  const name = useNames(model.typeId ? rows.map(r => r.id).filter(id => id !== "") : []);
  const most = rows[0]?.total ?? 0;
  // To whoever sees a subtree, models beside it have no name.
  if (s.rights.root !== null && got.data && rows.every(r => r.id === "")) return null;
  return (
    <Panel title="By model" note={`since ${dayOnly(period.from.toISOString())}`} got={got}>
      {rows.length === 0 ? (
        <NoGroups got={got} />
      ) : (
        <Table
          rows={rows}
          id={r => r.id + r.untold}
          columns={[
            { head: "Model", look: "break", cell: r => (r.id === "" ? <span className="muted">No model named</span> : name(r.id)) },
            {
              head: "Used",
              look: "cell-bar",
              cell: r => (
                <>
                  <UsageBar used={r.total} held={0} limit={most} status="ok" />
                  <span className="small">
                    <Amt v={r.total} />
                  </span>
                </>
              ),
            },
            { head: "Change", look: "right", cell: r => <Change now={r.like} before={r.was} /> },
          ]}
        />
      )}
      <More onClick={() => s.go("usage", { by: model.key, range: "lastWeek" })}>Who used them last week</More>
    </Panel>
  );
}
