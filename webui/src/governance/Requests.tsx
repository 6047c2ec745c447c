import { useQuery } from "@tanstack/react-query";
import { Check, X } from "lucide-react";
import { useState } from "react";
import { formatExact, isZero } from "../api/amount";
import { path } from "../api/client";
import { claimsOf } from "../api/rights";
import { editable, readAmount } from "../api/typed";
import type { BoostRequest, One, Page, Tree, TreeRow } from "../api/types";
import { fromLocal, longTime } from "../lib/time";
import { Amt, Button, Empty, Notice, Reading, Select, statusName, Text, UsageBar, When } from "../ui";
import { AmountField } from "../ui/AmountField";
import { FormDialog, useFields } from "../ui/FormDialog";
import { Pager } from "./Holds";
import { titleOf, unitOf } from "./Limit";
import { lineage } from "./lineage";
import { useKeyNames, useNames } from "./names";
import { useOpenRequests } from "./requests";
import { useSession } from "./session";
import type { Session } from "./sessiontype";

/** Who asks for more of which limit: what is open comes first, with what the decision rests on. */
export default function Requests() {
  const s = useSession();
  const [cursors, setCursors] = useState<string[]>([""]);
  const after = cursors.at(-1) ?? "";
  const open = useOpenRequests(s.api, s.customerId);
  const all = useQuery({
    queryKey: ["requests", s.customerId, after],
    queryFn: () => s.api.get<Page<BoostRequest>>(path`/customers/${s.customerId}/boost-requests`, { limit: 50, after }),
  });
  const waiting = open.data?.data ?? [];
  const over = (all.data?.data ?? []).filter(r => r.status !== "OPEN");
  const name = useNames([...waiting, ...over].map(r => r.entityId));
  const keyName = useKeyNames();
  // Who is not named by a token is the id of a key or token, of which only keys have a name.
  const who = (id: string | null) => {
    if (id === null || !(id === "admin" || /^[0-9a-f-]{16,}$/.test(id))) return id ?? "";
    const key = keyName(id);
    return key === "an API key" ? "a key or token" : key;
  };
  return (
    <div className="stack">
      <section className="stack" aria-label="Open requests">
        <h2>Waiting for a decision</h2>
        <Reading got={open} lines={4} />
        {open.data && waiting.length === 0 && (
          <Empty title="Nobody is waiting">
            <p>Who runs into a limit that others set asks for more, and is shown here.</p>
          </Empty>
        )}
        {waiting.map(r => (
          <Open key={r.id} r={r} name={name} who={who} />
        ))}
      </section>
      {(over.length > 0 || cursors.length > 1) && (
        <section className="stack" aria-label="Decided requests">
          <h2>Decided</h2>
          <ul className="stack tight">
            {over.map(r => (
              <li key={r.id} className="break">
                <span className="strong">{`${statusName("request", r.status)}:`}</span> {name(r.entityId)}, {titleOf(s, r)}:{" "}
                <Amt v={r.amount} /> asked for by {who(r.requestedBy)}
                {r.approvedAmount !== null && (
                  <>
                    , <Amt v={r.approvedAmount} /> given
                    {r.approvedExpiresAt && <span title={longTime(r.approvedExpiresAt)}> until {longTime(r.approvedExpiresAt)}</span>}
                  </>
                )}
                {r.fundedBy && <>, taken from {r.fundedBy}</>}
                <span className="muted">
                  {r.decidedBy && ` · ${who(r.decidedBy)}`} · <When at={r.decidedAt ?? r.createdAt} />
                  {r.note && ` · ${r.note}`}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <Pager cursors={cursors} setCursors={setCursors} next={all.data?.pagination.next} />
    </div>
  );
}

type OpenProps = { r: BoostRequest; name: (id: string) => string; who: (id: string) => string };

function Open({ r, name, who }: OpenProps) {
  const s = useSession();
  const [act, setAct] = useState<"approve" | "decline" | "withdraw" | null>(null);
  const row = useQuery({ queryKey: ["request-limit", s.customerId, r.id], queryFn: () => limitOf(s, r, r.entityId) });
  const limit = row.data?.find(x => x.assignmentId === r.assignmentId);
  const done = () => setAct(null);
  const mine = claimsOf(s.api.token())?.sub === r.requestedBy;
  return (
    <section className="limit" aria-label={`Request of ${name(r.entityId)}`}>
      <div className="row wrap">
        <h3 className="break">
          <button type="button" className="link" onClick={() => s.open(r.entityId)}>
            {name(r.entityId)}
          </button>{" "}
          · {titleOf(s, r)}
          {limit?.label && ` · ${limit.label}`}
        </h3>
        <span className="grow" />
        <span className="small muted nowrap">
          <When at={r.createdAt} />
        </span>
      </div>
      <p className="break">
        <span className="strong">
          <Amt v={r.amount} unit={unitOf(s, r)} /> more
        </span>{" "}
        until {longTime(r.expiresAt)}, asked for by {who(r.requestedBy)}
        {r.reason && <>: “{r.reason}”</>}
      </p>
      {limit && limit.currentUsage !== null && limit.usageLimit !== null && (
        <>
          <UsageBar
            used={limit.currentUsage}
            held={limit.reserved ?? 0}
            limit={limit.usageLimit}
            status={limit.status === "ok" ? "ok" : "near"}
          />
          <p className="small">
            <span className="num">{formatExact(limit.currentUsage)}</span> of <span className="num">{formatExact(limit.usageLimit)}</span>{" "}
            used
          </p>
        </>
      )}
      {s.mayEdit(r.entityId) ? (
        <div className="row wrap">
          <Button size="small" look="primary" icon={<Check size={14} />} onClick={() => setAct("approve")}>
            Approve
          </Button>
          <Button size="small" icon={<X size={14} />} onClick={() => setAct("decline")}>
            Decline
          </Button>
        </div>
      ) : (
        <div className="row wrap">
          <span className="small muted">Whoever may raise this limit decides.</span>
          {mine && s.canEdit && (
            <Button size="small" onClick={() => setAct("withdraw")}>
              Withdraw
            </Button>
          )}
        </div>
      )}
      {act === "approve" && <Approve r={r} limit={limit} name={name} onClose={done} />}
      {act && act !== "approve" && <Refuse r={r} act={act} name={name} onClose={done} />}
    </section>
  );
}

/** The limits of an entity of what a request is about. */
async function limitOf(s: Session, r: BoostRequest, entityId: string): Promise<TreeRow[]> {
  const of = r.featureId ? { featureIds: [r.featureId] } : { currencyIds: [r.currencyId ?? ""] };
  const got = await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, { ...of, rootEntityId: entityId, depth: 0, limit: 100 });
  return got.data;
}

/** The limits above that may pay for what is given: alike but for the amount, and with as many left. */
async function payers(s: Session, r: BoostRequest, limit: TreeRow | undefined): Promise<TreeRow[]> {
  if (!limit) return [];
  const above = (await lineage(s.api, s.customerId, r.entityId)).slice(0, -1).filter(e => s.mayEdit(e.id));
  const rows = await Promise.all(above.map(e => limitOf(s, r, e.id)));
  const alike = (x: TreeRow) =>
    x.usageLimit !== null &&
    x.label === limit.label &&
    x.cadence === limit.cadence &&
    x.scopeEntityIds.join() === limit.scopeEntityIds.join();
  return rows.flat().filter(alike).reverse();
}

type ApproveProps = { r: BoostRequest; limit: TreeRow | undefined; name: (id: string) => string; onClose: () => void };

function Approve({ r, limit, name, onClose }: ApproveProps) {
  const s = useSession();
  const { values, bind } = useFields({ amount: editable(r.amount), ends: "", fundedBy: "", note: "" });
  const parsed = readAmount(values.amount).amount;
  const from = useQuery({ queryKey: ["payers", s.customerId, r.id, limit?.assignmentId], queryFn: () => payers(s, r, limit) });
  const payer = from.data?.find(x => x.entityId === values.fundedBy);
  return (
    <FormDialog
      title={`Approve ${titleOf(s, r)} for ${name(r.entityId)}`}
      action="Approve"
      ready={parsed !== null && !isZero(parsed.text)}
      base={r}
      save={revision =>
        s.api.post<One<BoostRequest>>(
          path`/customers/${s.customerId}/boost-requests/${r.id}/approve`,
          { amount: parsed, expiresAt: fromLocal(values.ends), fundedBy: values.fundedBy || undefined, note: values.note || undefined },
          { ifMatch: revision },
        )
      }
      onSaved={got => {
        const back = path`/customers/${s.customerId}/assignments/${got.data.assignmentId}/boosts/${got.data.boostId ?? ""}`;
        s.wrote({
          text: `${formatExact(got.data.approvedAmount ?? 0)} more for ${name(r.entityId)}`,
          entityIds: null,
          undo: () => s.api.delete(back),
        });
      }}
      onClose={onClose}
    >
      <AmountField label="Amount" {...bind("amount")} unit={unitOf(s, r)} above0 autoFocus />
      <Text label="Until" type="datetime-local" {...bind("ends")} hint={`Left empty: as asked, ${longTime(r.expiresAt)}`} />
      <Select
        wide
        label="Taken from"
        {...bind("fundedBy")}
        options={[
          ["", "Nobody: it is given on top"],
          ...(from.data ?? []).map(
            x => [x.entityId, `${x.displayName ?? x.entityId}, with ${formatExact(x.remaining ?? 0)} left`] as const,
          ),
        ]}
        hint={payer ? "Its limit is as much lower until then, so that the sum stays" : undefined}
      />
      <Text wide label="Note" {...bind("note")} hint="Shown to who asked" />
      {!limit && <Notice>Its limit could not be read; the amount is given all the same.</Notice>}
    </FormDialog>
  );
}

type RefuseProps = { r: BoostRequest; act: "decline" | "withdraw"; name: (id: string) => string; onClose: () => void };

function Refuse({ r, act, name, onClose }: RefuseProps) {
  const s = useSession();
  const { values, bind } = useFields({ note: "" });
  const verb = act === "decline" ? "Decline" : "Withdraw";
  return (
    <FormDialog
      title={`${verb} the request for ${name(r.entityId)}?`}
      action={verb}
      ready
      base={r}
      save={revision =>
        s.api.post<One<BoostRequest>>(
          `${path`/customers/${s.customerId}/boost-requests/${r.id}`}/${act}`,
          act === "decline" ? { note: values.note || undefined } : undefined,
          { ifMatch: revision },
        )
      }
      onSaved={() => s.wrote({ text: act === "decline" ? "Request declined" : "Request withdrawn", entityIds: [] })}
      onClose={onClose}
    >
      <p className="wide">
        <Amt v={r.amount} unit={unitOf(s, r)} /> more {titleOf(s, r)} until {longTime(r.expiresAt)}.
      </p>
      {act === "decline" && <Text wide label="Note" {...bind("note")} hint="Shown to who asked" autoFocus />}
    </FormDialog>
  );
}
