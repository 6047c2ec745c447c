import { HandHelping } from "lucide-react";
import { useState } from "react";
import { formatExact, isZero } from "../api/amount";
import { newKey, path } from "../api/client";
import type { Amount } from "../api/json";
import { editable, readAmount } from "../api/typed";
import type { Assignment, BoostRequest, One } from "../api/types";
import { fromLocal } from "../lib/time";
import { Button, Text } from "../ui";
import { AmountField } from "../ui/AmountField";
import { FormDialog, useFields } from "../ui/FormDialog";
import { titleOf, unitOf } from "./Limit";
import { useNames } from "./names";
import { useSession } from "./session";
import type { Session } from "./sessiontype";

/** A limit of which more may be asked for. */
export type Asked = Pick<Assignment, "entityId" | "featureId" | "currencyId"> & { id: string };

/** Whether the reader may ask for more of the limit of an entity, and may not raise it. */
export const mayAsk = (s: Session, entityId: string) => s.canEdit && !s.mayEdit(entityId);

/** Asks whoever may raise a limit to do so. */
export function AskForMore({ limit, amount }: { limit: Asked /** What is missing. */; amount?: Amount }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="small" icon={<HandHelping size={14} />} onClick={() => setOpen(true)}>
        Ask for more
      </Button>
      {open && <AskForm limit={limit} amount={amount} onClose={() => setOpen(false)} />}
    </>
  );
}

function AskForm({ limit, amount, onClose }: { limit: Asked; amount?: Amount; onClose: () => void }) {
  const s = useSession();
  const name = useNames([limit.entityId]);
  const [key] = useState(newKey);
  const { values, bind } = useFields({ amount: amount === undefined ? "" : editable(amount), ends: "", reason: "" });
  const parsed = readAmount(values.amount).amount;
  return (
    <FormDialog
      title={`Ask for more ${titleOf(s, limit)}`}
      action="Ask"
      ready={parsed !== null && !isZero(parsed.text)}
      save={() =>
        s.api.post<One<BoostRequest>>(
          path`/customers/${s.customerId}/boost-requests`,
          { assignmentId: limit.id, amount: parsed, expiresAt: fromLocal(values.ends), reason: values.reason || undefined },
          { idempotencyKey: key },
        )
      }
      onSaved={got => s.wrote({ text: `Asked for ${formatExact(got.data.amount)} more`, entityIds: [] })}
      onClose={onClose}
    >
      <p className="wide">Whoever may raise the limit of {name(limit.entityId)} decides. You see what becomes of it under Requests.</p>
      <AmountField label="Amount" {...bind("amount")} unit={unitOf(s, limit)} above0 autoFocus />
      <Text label="Until" type="datetime-local" {...bind("ends")} hint="Left empty: until the limit resets" />
      <Text wide label="Reason" {...bind("reason")} hint="Shown to who decides, and in the history" />
    </FormDialog>
  );
}
