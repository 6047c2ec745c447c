import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { path } from "../api/client";
import type { Job, Page } from "../api/types";
import { Pager } from "../governance/Holds";
import { cancelJob, ended, progressWords } from "../governance/jobs";
import { day } from "../lib/time";
import { At, Badge, Confirm, Empty, Reading, toast } from "../ui";
import { RowButton, Table } from "../ui/List";
import { useApi } from "./session";

const what = (j: Job) =>
  j.kind === "REPRICE"
    ? `Re-pricing ${j.rateCardId === null ? "of unread usage" : `by ${j.rateCardId}`}${j.apply ? "" : ", dry run"}`
    : "Backtest of limits";

/** Work that takes longer than a request: how far it is, how it ended, and a way to end it. */
export function Jobs() {
  const api = useApi();
  const [cursors, setCursors] = useState([""]);
  const [ending, setEnding] = useState<Job | null>(null);
  const after = cursors.at(-1) ?? "";
  const got = useQuery({
    queryKey: ["jobs", after],
    queryFn: () => api.get<Page<Job>>("/jobs", { limit: 25, after }),
    refetchInterval: q => (q.state.data?.data.some(j => !ended(j)) ? 1000 : 10_000),
  });
  return (
    <>
      <p className="muted about">Work that takes longer than a request goes on here, also when the server is started anew.</p>
      <Reading got={got} />
      {got.data?.data.length === 0 && (
        <Empty title="No jobs yet">Re-pricing and long backtests show here while they run, and for some days after.</Empty>
      )}
      {got.data && got.data.data.length > 0 && (
        <Table
          look="panel"
          rows={got.data.data}
          id={j => j.id}
          columns={[
            {
              head: "What",
              look: "break",
              cell: j => (
                <>
                  <span className="strong" title={j.id}>
                    {what(j)}
                  </span>
                  <div className="small muted">
                    {j.customerId ? <Link href={path`/console/customers/${j.customerId}`}>{j.customerId}</Link> : "all customers"} · usage
                    from {day(j.startDate)}
                  </div>
                </>
              ),
            },
            {
              head: "State",
              cell: j => <Badge of="job" status={j.cancelling ? "CANCELLING" : j.status} />,
            },
            {
              head: "Progress",
              look: "cell-bar small muted",
              cell: j => (
                <>
                  {j.status === "RUNNING" && j.progress.total !== null && (
                    <progress aria-label={`Progress of ${what(j)}`} value={j.progress.done} max={j.progress.total} />
                  )}
                  <div className="num">{j.problem ? j.problem.message : progressWords(j)}</div>
                </>
              ),
            },
            {
              head: "Begun",
              look: "muted nowrap",
              cell: j => (
                <>
                  <At at={j.startedAt ?? j.createdAt} />
                  {j.finishedAt && (
                    <div className="small">
                      ended <At at={j.finishedAt} />
                    </div>
                  )}
                </>
              ),
            },
          ]}
          actions={j =>
            !ended(j) && (
              <RowButton disabled={j.cancelling} onClick={() => setEnding(j)}>
                Cancel
              </RowButton>
            )
          }
        />
      )}
      <Pager cursors={cursors} setCursors={setCursors} next={got.data?.pagination.next} />
      {ending && (
        <Confirm
          title="Cancel this job?"
          action="Cancel the job"
          danger
          onClose={() => setEnding(null)}
          onConfirm={async () => {
            await cancelJob(api, ending.id);
            toast("The job ends");
            void got.refetch();
          }}
        >
          <p>
            {what(ending)}:{" "}
            {ending.apply
              ? "what it has put right so far stays so; the same re-pricing once more does the rest."
              : "it has changed nothing."}
          </p>
        </Confirm>
      )}
    </>
  );
}
