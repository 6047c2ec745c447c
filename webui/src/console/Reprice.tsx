import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { nano, sub } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import { count } from "../api/locale";
import type { Job, One, RateCard, RateVersion, Repricing } from "../api/types";
import { ended, isJob, JobProgress, useJob } from "../governance/jobs";
import { fromLocal, toLocal } from "../lib/time";
import { Button, Confirm, Dialog, Notice, Text, Trouble, useAction } from "../ui";
import { useFields } from "../ui/FormDialog";
import { Full } from "../ui/Full";
import { Table } from "../ui/List";
import { useApi } from "./session";

/** What was charged by a version that another one corrects: shown by a dry run, then put right. */
export function Reprice({ card, versions, onClose }: { card: RateCard; versions: RateVersion[]; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const corrected = versions.flatMap(v => versions.filter(c => c.version === v.corrects).map(c => c.effectiveFrom)).sort();
  const { values, bind } = useFields({ from: toLocal(corrected[0] ?? card.effectiveFrom), to: "", customerId: "" });
  const [found, setFound] = useState<Repricing | null>(null);
  const [asking, setAsking] = useState(false);
  const run = useAction();
  const [jobId, setJobId] = useState<string | null>(null);
  const job = useJob(api, jobId).data?.data;
  const result = job && ended(job) ? job : null;
  const take = (got: Repricing | Job) => {
    setJobId(isJob(got) ? got.id : null);
    setFound(isJob(got) ? null : got);
  };
  useEffect(() => {
    if (result?.repricing && result.status === "SUCCEEDED") setFound(result.repricing);
  }, [result]);
  // What is applied is what the dry run showed: fields that change make it void.
  const field = (k: keyof typeof values) => {
    const { value, onChange } = bind(k);
    return {
      value,
      onChange: (v: string) => {
        onChange(v);
        setFound(null);
      },
    };
  };
  const send = (apply: boolean) =>
    api.post<One<Repricing | Job>>(path`/rate-cards/${card.id}/reprice`, {
      from: fromLocal(values.from),
      to: fromLocal(values.to),
      customerId: values.customerId || undefined,
      apply,
    });
  return (
    <Dialog
      title={`Re-price ${card.displayName}`}
      kind="wide"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button
            look={found ? undefined : "primary"}
            busy={run.busy}
            disabled={values.from === ""}
            onClick={() =>
              run.start(
                () => send(false),
                got => take(got.data),
              )
            }
          >
            Dry run
          </Button>
          {found && !found.applied && found.customers.length > 0 && (
            <Button look="primary" onClick={() => setAsking(true)}>
              Apply
            </Button>
          )}
        </>
      }
    >
      <div className="stack">
        <p className="muted about">
          Usage that a corrected version charged is priced again by the version that corrects it. A dry run shows the differences; applying
          records them on limits, totals and pools.
        </p>
        <div className="fields">
          <Text label="Usage from" type="datetime-local" {...field("from")} />
          <Text label="To" type="datetime-local" {...field("to")} hint="Left empty: now" />
          <Text label="Only of customer" {...field("customerId")} placeholder="all" hint="An id" />
        </div>
        {run.error !== null && <Trouble error={run.error} />}
        {job && !result && (
          <Notice>
            This takes longer: it goes on as a job, which is also shown under Developers, when this is closed.
            <JobProgress api={api} job={job} />
          </Notice>
        )}
        {result && result.status !== "SUCCEEDED" && (
          <Notice kind="warn">{result.problem?.message ?? "The job was cancelled. What it has put right so far stays so."}</Notice>
        )}
        {found && <Found found={found} currency={card.currencyId} />}
      </div>
      {asking && found && (
        <Confirm
          title="Apply the corrected prices?"
          action="Apply"
          danger
          onClose={() => setAsking(false)}
          onConfirm={async () => {
            take((await send(true)).data);
            void client.invalidateQueries();
          }}
        >
          <p>
            The difference of <Full v={sub(found.is, found.was)} unit={card.currencyId} /> is charged or paid back to {customers(found)}.
            This is recorded in their ledgers and cannot be undone, except by another correction.
          </p>
        </Confirm>
      )}
    </Dialog>
  );
}

const customers = (r: Repricing) => (r.changedCustomers === 1 ? "1 customer" : `${count(r.changedCustomers)} customers`);

function Found({ found, currency }: { found: Repricing; currency: string }) {
  if (found.customers.length === 0)
    return <Notice kind="good">Nothing to correct: of {charges(found.records)} none was priced differently.</Notice>;
  const all = { customerId: "", was: found.was, is: found.is, rows: found.customers.flatMap(c => c.rows) };
  const rows = found.customers.length > 1 ? [...found.customers, all] : found.customers;
  return (
    <section className="stack" ref={show} aria-label={found.applied ? "What was corrected" : "What would change"}>
      {found.applied ? (
        <Notice kind="good">
          Applied: version {found.by} in place of version {found.version}.
        </Notice>
      ) : (
        <p>
          Version {found.by} in place of version {found.version}: {charges(found.records)} of {customers(found)}. Nothing is changed yet.
        </p>
      )}
      {found.unmatched > 0 && (
        <Notice kind="warn">
          {charges(found.unmatched)} keep their cost: version {found.by} has no price for them.
        </Notice>
      )}
      <Table
        look="panel"
        rows={rows}
        id={c => c.customerId}
        columns={[
          {
            head: "Customer",
            look: "break",
            cell: c => (c === all ? "All" : <Link href={`/console/customers/${encodeURIComponent(c.customerId)}`}>{c.customerId}</Link>),
          },
          { head: "Charged", look: "right", cell: c => <Full v={c.was} /> },
          { head: "Corrected", look: "right", cell: c => <Full v={c.is} /> },
          { head: `Difference, ${currency}`, look: "right", cell: c => <Signed v={sub(c.is, c.was)} /> },
          { head: "Limits changed", look: "right num", cell: c => limits(c.rows) },
        ]}
      />
    </section>
  );
}

const charges = (n: number) => `${count(n)} ${n === 1 ? "charge" : "charges"}`;
const limits = (rows: Repricing["customers"][number]["rows"]) => count(new Set(rows.map(r => r.assignmentId)).size);
const show = (section: HTMLElement | null) => section?.scrollIntoView({ block: "nearest" });

function Signed({ v }: { v: Amount }) {
  return (
    <>
      {nano(v) > 0n && "+"}
      <Full v={v} />
    </>
  );
}
