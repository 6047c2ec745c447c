import { formatExact, formatShort } from "../../api/amount";
import { count } from "../../api/locale";
import type { ForecastRow } from "../../api/types";
import { perCadence } from "../../lib/time";
import { Amt, Empty } from "../../ui";
import { type Column, Table } from "../../ui/List";
import { EndsOn, isSpent, refusals } from "../foreseen";
import { useSession } from "../session";
import { More, NameLink, Panel } from "./Panel";
import { type Foreseen, foreseenAtOnce, rowsShown } from "./reads";

export function RunsOut({ got, cadence }: { got: Foreseen; cadence: string | null }) {
  const s = useSession();
  const rows = got.data?.rows ?? [];
  const spent = rows.filter(isSpent);
  const coming = rows.filter(r => r.forecast.runsOutAt !== null && !isSpent(r));
  const untold = refusals(rows.filter(r => !isSpent(r)));
  const told = rows.some(r => r.forecast.refused === null && !isSpent(r));
  const title = cadence === "P1M" ? "Runs out this month" : "Runs out in its period";
  const who: Column<ForecastRow> = {
    head: "Who",
    look: "break",
    cell: r => (
      <>
        <NameLink id={r.entityId} name={r.displayName ?? r.entityId} />
        <div className="small muted">
          {s.types.get(r.entityTypeId)?.displayName}
          {r.label && ` · ${r.label}`}
        </div>
      </>
    ),
  };
  return (
    <Panel title={title} note={cadence ? `limits ${perCadence(cadence)}` : undefined} got={got}>
      {coming.length > 0 ? (
        <Table
          rows={coming.slice(0, rowsShown)}
          id={r => r.assignmentId ?? r.entityId}
          columns={[
            who,
            { head: "On", look: "nowrap", cell: r => <EndsOn row={r} /> },
            {
              head: "Expected",
              look: "right",
              cell: r =>
                r.forecast.expected && r.usageLimit !== null ? (
                  <span className="num" title={`${formatExact(r.forecast.expected)} of ${formatExact(r.usageLimit)}`}>
                    {formatShort(r.forecast.expected)} <span className="muted small">of {formatShort(r.usageLimit)}</span>
                  </span>
                ) : (
                  <span className="muted">–</span>
                ),
            },
          ]}
        />
      ) : (
        <Empty
          title={
            rows.length === 0
              ? "No such limit"
              : told
                ? `Nobody${spent.length > 0 ? " else" : ""}, as things go`
                : spent.length < rows.length
                  ? "Not told"
                  : rows.length < foreseenAtOnce
                    ? "All of them are used up"
                    : "So many are used up that no others were looked at"
          }
        />
      )}
      {untold.map(x => (
        <p key={x.words} className="small muted panel-note">
          {x.limits === 1 ? "One limit" : `${count(x.limits)} limits`}: {x.words}.
        </p>
      ))}
      {spent.length > 0 && (
        <Table
          rows={spent.slice(0, rowsShown)}
          id={r => r.assignmentId ?? r.entityId}
          columns={[
            { ...who, head: "Used up already" },
            {
              head: "Used",
              look: "right",
              cell: r => (
                <>
                  <Amt v={r.currentUsage ?? 0} /> <span className="muted small">of {formatShort(r.usageLimit ?? 0)}</span>
                </>
              ),
            },
          ]}
        />
      )}
      {spent.length > rowsShown && <p className="small muted panel-note">and {count(spent.length - rowsShown)} more that are used up</p>}
      {rows.length >= foreseenAtOnce && (
        <p className="small muted panel-note">Looked at: the {count(rows.length)} that are the fastest to use themselves up.</p>
      )}
      <More onClick={() => s.go("tree")}>All budgets</More>
    </Panel>
  );
}
