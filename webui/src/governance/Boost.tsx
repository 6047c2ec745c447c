import { useQuery } from "@tanstack/react-query";
import { Zap } from "lucide-react";
import { useState } from "react";
import { add, formatExact, isZero } from "../api/amount";
import { newKey, path } from "../api/client";
import { readAmount } from "../api/typed";
import type { Assignment, Boost, One, Page, TreeRow } from "../api/types";
import { fromLocal, longTime, until } from "../lib/time";
import { Amt, Button, Dialog, Notice, Text, Trouble, useAction, When } from "../ui";
import { AmountField } from "../ui/AmountField";
import { keptOf, StillHere, useKeeping } from "../ui/kept";
import { currentOf } from "./conflict";
import { limitWords, titleOf, UsedOfIt, unitOf, WhichLimit } from "./Limit";
import { useNames } from "./names";
import { useSession } from "./session";
import type { Session } from "./sessiontype";
import { causeWords } from "./standing";

/** The boosts of a limit that are in force. */
export function Boosts({ limit }: { limit: Assignment }) {
  const s = useSession();
  const target = path`/customers/${s.customerId}/assignments/${limit.id}/boosts`;
  const got = useQuery({ queryKey: ["boosts", s.customerId, limit.id], queryFn: () => s.api.get<Page<Boost>>(target, { limit: 100 }) });
  const end = useAction();
  const active = (got.data?.data ?? []).filter(b => b.endedAt === null && Date.parse(b.expiresAt) > Date.now());
  if (active.length === 0) return null;
  return (
    <ul className="stack tight small">
      {active.map(b => (
        <li key={b.id} className="row">
          <Zap size={13} aria-hidden style={{ flex: "none" }} />
          <span className="grow">
            Boost of <Amt v={b.amount} /> ends <When at={b.expiresAt} future />
            {b.fundedBy && <span className="muted"> · {b.assignmentId === limit.id ? `taken from ${b.fundedBy}` : "given below"}</span>}
            {b.reason && <span className="muted break"> · {b.reason}</span>}
          </span>
          {s.mayEdit(limit.entityId) && b.assignmentId === limit.id && (
            <Button
              size="small"
              look="quiet"
              busy={end.busy}
              onClick={() =>
                end.start(async () => {
                  await s.api.delete(`${target}/${encodeURIComponent(b.id)}`);
                  s.wrote({ text: `Boost of ${formatExact(b.amount)} ended`, entityIds: [limit.entityId] });
                })
              }
            >
              End now
            </Button>
          )}
        </li>
      ))}
      {end.error !== null && <Trouble error={end.error} />}
    </ul>
  );
}

/** What is typed, on top of which limit, and the key under which it is sent. */
type BoostDraft = { amount: string; ends: string; reason: string; key: string; base: Assignment };
const noBoost = (base: Assignment): BoostDraft => ({ amount: "", ends: "", reason: "", key: newKey(), base });

/** Under what a boost that is not given yet is kept. */
export const boostKey = (s: Session, limit: Assignment) => `boost:${s.draftsOf}:${limit.id}`;

/** Raises a limit for a while, saying which one, from what to what. */
export function BoostForm({ limit, row, onClose }: { limit: Assignment; row: TreeRow | undefined; onClose: () => void }) {
  const s = useSession();
  const [draft, setDraft] = useState<BoostDraft>(() => keptOf<BoostDraft>(boostKey(s, limit))?.state ?? noBoost(limit));
  const { amount, ends, reason, key, base } = draft;
  const [moved, setMoved] = useState(false);
  // What was sent and got no answer is sent again as it was, and happens once; anything else is another.
  const set = (d: Partial<BoostDraft>) => setDraft(before => ({ ...before, key: newKey(), ...d }));
  const name = useNames([limit.entityId]);
  const run = useAction();
  const keeping = useKeeping(boostKey(s, limit), `The boost of ${name(limit.entityId)}`, draft, amount + ends + reason !== "", run.busy);
  const parsed = readAmount(amount).amount;
  const more = parsed && !isZero(parsed.text) ? parsed.text : null;
  const now = base.effectiveUsageLimit;
  const target = path`/customers/${s.customerId}/assignments/${limit.id}/boosts`;
  const save = () =>
    run.start(async () => {
      try {
        const body = { amount: parsed, expiresAt: fromLocal(ends), reason: reason || undefined };
        const got = await s.api.post<One<Boost>>(target, body, { idempotencyKey: key, ifMatch: base.revision });
        const undo = () => s.api.delete(`${target}/${encodeURIComponent(got.data.id)}`);
        s.wrote({ text: `Boosted by ${formatExact(got.data.amount)}`, entityIds: [limit.entityId], undo });
        keeping.over();
        onClose();
      } catch (e) {
        const current = currentOf<Assignment>(e);
        if (!current) throw e;
        set({ base: current });
        setMoved(true);
      }
    });
  return (
    <Dialog
      title={`Boost ${titleOf(s, limit)}`}
      onClose={onClose}
      foot={
        <>
          <Button
            onClick={() => {
              keeping.over();
              onClose();
            }}
          >
            Cancel
          </Button>
          <Button look="primary" busy={run.busy} disabled={!more} onClick={save}>
            Boost
          </Button>
        </>
      }
    >
      <div className="stack" data-kept>
        <StillHere since={keeping.since} onDiscard={() => setDraft(noBoost(limit))} />
        <WhichLimit limit={limit} />
        {moved && (
          <Notice kind="warn">
            Somebody else has changed this limit meanwhile: it is <span className="strong">{limitWords(now)}</span> now. Nothing is saved
            yet; boost again if that is still wanted.
          </Notice>
        )}
        <div className="fields">
          <AmountField label="Amount" value={amount} onChange={v => set({ amount: v })} unit={unitOf(s, limit)} above0 autoFocus />
          <Text
            label="Until"
            type="datetime-local"
            value={ends}
            onChange={v => set({ ends: v })}
            hint="Left empty: until the limit resets"
          />
          <Text wide label="Reason" value={reason} onChange={v => set({ reason: v.slice(0, 500) })} hint="Shown in the history" />
        </div>
        <p className="small">
          Now <span className="strong num">{limitWords(now)}</span>
          <UsedOfIt of={limit} v={row?.currentUsage} />.{" "}
          {now !== null && (
            <>
              With the boost <span className="strong num">{more ? formatExact(add(now, more)) : "…"}</span>
              {row?.usagePeriodEnd && ends === "" && (
                <span title={longTime(row.usagePeriodEnd)}>; it ends by itself {until(row.usagePeriodEnd)}</span>
              )}
              .
            </>
          )}
        </p>
        {row?.effective?.status === "blocked" && row.effective.by && row.effective.by.assignmentId !== limit.id && (
          <Notice kind="warn">{causeWords(row.effective.by)} has nothing left: requests stay stopped, whatever this boost allows.</Notice>
        )}
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}
