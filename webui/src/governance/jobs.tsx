import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { type Api, path } from "../api/client";
import { count } from "../api/locale";
import type { Job, One } from "../api/types";
import { Button, statusName, Trouble, useAction } from "../ui";

export const ended = (j: Job) => j.status !== "QUEUED" && j.status !== "RUNNING";

/** Whether a reply is work that goes on as a job, in place of what was asked for. */
export const isJob = (v: unknown): v is Job => typeof v === "object" && v !== null && "progress" in v && "kind" in v;

export const cancelJob = (api: Api, id: string) => api.post(path`/jobs/${id}/cancel`);

/** A job as it goes on, until it has ended. */
export function useJob(api: Api, id: string | null) {
  return useQuery({
    queryKey: ["job", id],
    queryFn: () => api.get<One<Job>>(path`/jobs/${id ?? ""}`),
    enabled: id !== null,
    refetchInterval: q => (q.state.data && ended(q.state.data.data) ? false : 1000),
  });
}

/** Ends a job that nobody waits for any more. */
export function useAbandon(api: Api, id: string | null) {
  useEffect(() => {
    if (id === null) return;
    return () => void cancelJob(api, id).catch(() => {});
  }, [api, id]);
}

export function progressWords({ progress: p, status, cancelling }: Job): string {
  if (status === "QUEUED") return "waits for its turn";
  const done = p.total === null ? `${count(p.done)} ${p.unit}` : `${count(p.done)} of ${count(p.total)} ${p.unit}`;
  return cancelling ? `${done}, ${statusName("job", "CANCELLING")}` : done;
}

/** How far a job is, and a way to end it. */
export function JobProgress({ api, job, onChange }: { api: Api; job: Job; onChange?: () => void }) {
  const run = useAction();
  const part = job.progress.total ? Math.min(100, (job.progress.done / job.progress.total) * 100) : 0;
  return (
    <div className="stack tight">
      <div className="row">
        <progress className="grow" aria-label="Progress" value={job.progress.total ? part : undefined} max={100} />
        {!ended(job) && (
          <Button size="small" busy={run.busy} disabled={job.cancelling} onClick={() => run.start(() => cancelJob(api, job.id), onChange)}>
            Cancel
          </Button>
        )}
      </div>
      <span className="small muted num">{progressWords(job)}</span>
      {run.error !== null && <Trouble error={run.error} />}
    </div>
  );
}
