import { formatShort } from "../../api/amount";
import type { TreeRow } from "../../api/types";
import { dayOnly } from "../../lib/time";
import { Amt, StatusBadge, UsageBar } from "../../ui";
import { Table } from "../../ui/List";
import { Change } from "../Figure";
import { useNames } from "../names";
import type { Period } from "../period";
import { useSession } from "../session";
import { standingOf } from "../standing";
import { More, NameLink, NoGroups, Panel } from "./Panel";
import type { Sums } from "./reads";

type WhereProps = {
  title: string;
  got: Sums;
  period: Period;
  names: Map<string, string>;
  budgetOf: (id: string) => TreeRow | undefined;
};

export function Where({ title, got, period, names, budgetOf }: WhereProps) {
  const s = useSession();
  const rows = (got.data ?? []).filter(x => Number(x.total) > 0 || Number(x.was) > 0).slice(0, 20);
  const name = useNames(rows.map(r => r.id).filter(id => id !== "" && !names.has(id)));
  return (
    <Panel title={title} note={`since ${dayOnly(period.from.toISOString())}`} got={got}>
      {rows.length === 0 ? (
        <NoGroups got={got} />
      ) : (
        <Table
          rows={rows}
          id={r => r.id + r.untold}
          columns={[
            {
              head: "Who",
              look: "break",
              cell: r => (
                <NameLink
                  id={r.id}
                  name={r.untold ? "Not told apart" : r.id === "" ? "Not below anybody" : (names.get(r.id) ?? name(r.id))}
                />
              ),
            },
            {
              head: "Used of budget",
              look: "cell-bar",
              cell: r => {
                const b = budgetOf(r.id);
                const change = <Change now={r.like} before={r.was} />;
                if (!b)
                  return (
                    <span className="row between">
                      <Amt v={r.total} /> {change}
                    </span>
                  );
                const st = standingOf({ id: r.id, effective: b.effective }, b, null);
                return (
                  <>
                    <UsageBar used={b.currentUsage ?? 0} held={b.reserved ?? 0} limit={b.usageLimit} status={st.status} />
                    <span className="row between">
                      <span className="num small">
                        {formatShort(b.currentUsage ?? 0)} <span className="muted">of {formatShort(b.usageLimit ?? 0)}</span>
                      </span>
                      {change}
                    </span>
                  </>
                );
              },
            },
            {
              head: "Status",
              cell: r => {
                const b = budgetOf(r.id);
                return b ? (
                  <StatusBadge {...standingOf({ id: r.id, effective: b.effective }, b, null)} />
                ) : (
                  <span className="muted">–</span>
                );
              },
            },
          ]}
        />
      )}
      <More onClick={() => s.go("usage", { range: "month" })}>Tell usage apart in other ways</More>
    </Panel>
  );
}
