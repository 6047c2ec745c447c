import { useQuery } from "@tanstack/react-query";
import { path } from "../api/client";
import { count } from "../api/locale";
import type { Job, One, Simulation } from "../api/types";
import { day } from "../lib/time";
import { Amt, Notice, Skeleton, Trouble, useSettled } from "../ui";
import type { DefaultInput } from "./defaults";
import { ended, isJob, JobProgress, useAbandon, useJob } from "./jobs";
import type { LimitInput } from "./limit";
import { useNames } from "./names";
import { useSession } from "./session";

export const previewDays = 30;

const none: DefaultInput[] = [];

/** What limits and defaults would have stopped of the last month's usage, each by itself; asked when they have settled. */
export function useBacktest(inputs: LimitInput[], defaults = none) {
  const s = useSession();
  const drafts = inputs.length + defaults.length;
  // Amounts are compared by their text: each reading makes new objects.
  const now = JSON.stringify([...inputs, ...defaults].map(i => ({ ...i, usageLimit: i.usageLimit?.text ?? null })));
  const draft = useSettled(now, 500);
  const got = useQuery({
    queryKey: ["simulate", s.customerId, draft],
    queryFn: () =>
      s.api.post<One<Simulation | Job>>(path`/customers/${s.customerId}/simulate`, {
        startDate: new Date(Date.now() - previewDays * 86_400_000).toISOString(),
        assignments: inputs,
        defaults,
      }),
    enabled: drafts > 0 && now === draft,
    retry: false,
    staleTime: 60_000,
  });
  const begun = got.data?.data;
  const jobId = isJob(begun) ? begun.id : null;
  const job = useJob(s.api, jobId).data?.data;
  useAbandon(s.api, jobId);
  // Of what was asked before nothing is told.
  const found = now !== draft ? undefined : isJob(begun) ? (job?.simulation ?? undefined) : begun;
  return { got, found, job, asking: drafts > 0 && (now !== draft || got.isPending) };
}

/** What one limit would have stopped. */
export function Preview({ input }: { input: LimitInput }) {
  return <Stops backtest={useBacktest(input.usageLimit === null ? [] : [input])} of={input} what="this limit" />;
}

/** What one default would have stopped, of each that it limits. */
export function DefaultPreview({ input }: { input: DefaultInput }) {
  return <Stops backtest={useBacktest([], input.usageLimit === null ? [] : [input])} of={input} what="limits by this default" each />;
}

type StopsProps = {
  backtest: ReturnType<typeof useBacktest>;
  of: LimitInput | DefaultInput;
  what: string;
  /** It is several limits. */
  each?: boolean;
};

function Stops({ backtest, of: input, what, each }: StopsProps) {
  const s = useSession();
  const { got, found, job, asking } = backtest;
  const name = useNames(found?.entities.slice(0, 3).flatMap(e => e.entityId ?? []) ?? []);
  if (input.usageLimit === null) return <Notice>Usage is counted and shown; nothing is stopped.</Notice>;
  if (asking) return <Skeleton lines={1} />;
  if (got.isError) return <Trouble error={got.error} />;
  if (!found)
    return job && ended(job) ? (
      <Notice kind="warn">What it would have stopped is not known: {job.problem?.message ?? "that was cancelled"}</Notice>
    ) : (
      <Notice>What it would have stopped is being looked up{job && <JobProgress api={s.api} job={job} />}</Notice>
    );
  const { drafts, entities, replayed } = found;
  const d = drafts[0];
  const basis = <span className="small muted">Based on usage accepted in the last {previewDays} days; other limits are ignored.</span>;
  if (!d || replayed === 0)
    return (
      <Notice>
        No usage of the last {previewDays} days counts on {what}.
      </Notice>
    );
  if (d.stopped === 0)
    return (
      <Notice>
        It would have stopped none of {count(replayed)} requests; the fullest period {each && "of one of them "}used <Amt v={d.peakUsage} />
        .<div>{basis}</div>
      </Notice>
    );
  return (
    <Notice kind="warn">
      <span className="strong">
        It would have {input.enforcement === "soft" ? "reported" : "stopped"} {count(d.stopped)} of {count(replayed)} requests
      </span>{" "}
      (<Amt v={d.stoppedUsage} /> in all{each && `, by ${count(d.stoppedLimits)} ${d.stoppedLimits === 1 ? "limit" : "limits"}`}), the first
      on {d.firstStoppedAt ? day(d.firstStoppedAt) : "–"}.
      {entities.length > 0 && (
        <div className="break">
          Most affected:{" "}
          {entities
            .slice(0, 3)
            .map(e => `${e.entityId ? name(e.entityId) : "the customer"} (${count(e.stopped)})`)
            .join(", ")}
        </div>
      )}
      <div>{basis}</div>
    </Notice>
  );
}
