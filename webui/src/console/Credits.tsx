import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { add, formatExact, isZero, nano, sub } from "../api/amount";
import { newKey, path } from "../api/client";
import type { Amount } from "../api/json";
import { readAmount } from "../api/typed";
import type { Currency, Grant } from "../api/types";
import { day, fromLocal, longTime } from "../lib/time";
import { Button, Confirm, Empty, Reading, Select, statusName, Text, toast, UsageBar } from "../ui";
import { AmountField } from "../ui/AmountField";
import { FormDialog, useFields } from "../ui/FormDialog";
import { Full } from "../ui/Full";
import { RowButton, Table } from "../ui/List";
import { burnOrder } from "./burn";
import { Ledger } from "./Ledger";
import { useApi } from "./session";

export function Credits({ customerId }: { customerId: string }) {
  const api = useApi();
  const [granting, setGranting] = useState(false);
  const [voiding, setVoiding] = useState<Grant | null>(null);
  const [chosen, setChosen] = useState("");
  const client = useQueryClient();
  const currencies = useQuery({ queryKey: ["currencies"], queryFn: () => api.all<Currency>("/credits/custom-currencies") });
  const currency = currencies.data?.find(c => c.id === chosen) ?? currencies.data?.find(c => c.prepaid) ?? currencies.data?.[0];
  const grants = useQuery({
    queryKey: ["grants", customerId, currency?.id],
    queryFn: () => api.all<Grant>("/credits/grants", { customerId, currencyId: currency?.id }),
    enabled: currency !== undefined,
    refetchInterval: 10_000,
  });
  if (!currencies.data)
    return (
      <Body>
        <Reading got={currencies} />
      </Body>
    );
  if (!currency)
    return (
      <Body>
        <Empty title="No currency yet">
          <p>Make one in the catalogue, such as “credits”; then grant amounts of it here.</p>
        </Empty>
      </Body>
    );
  const order = burnOrder(grants.data ?? []);
  const rest = (grants.data ?? []).filter(g => !order.includes(g));
  const live = (grants.data ?? []).filter(g => g.status === "ACTIVE" && g.grantType !== "OVERDRAFT");
  const granted = live.reduce<Amount>((sum, g) => add(sum, g.amount), 0);
  const used = live.reduce<Amount>((sum, g) => add(sum, g.consumedAmount), 0);
  const overdraft = (grants.data ?? []).filter(g => g.grantType === "OVERDRAFT").reduce<Amount>((sum, g) => add(sum, g.consumedAmount), 0);
  const left = sub(sub(granted, used), overdraft);
  return (
    <Body>
      <div className="row between wrap" style={{ alignItems: "flex-end" }}>
        <div style={{ width: 220 }}>
          <Select
            label="Currency"
            value={currency.id}
            onChange={setChosen}
            options={(currencies.data ?? []).map(c => [c.id, c.displayName] as const)}
          />
        </div>
        <Button look="primary" icon={<Plus size={15} />} disabled={!currency.prepaid} onClick={() => setGranting(true)}>
          Grant credits
        </Button>
      </div>
      <Reading got={grants} />
      {grants.data && (
        <>
          <dl className="figures">
            <div>
              <dt>Left</dt>
              <dd className={nano(left) <= 0n ? "ink-bad" : ""}>
                <Full v={left} />
              </dd>
            </div>
            <div>
              <dt>Used of active grants</dt>
              <dd>
                <Full v={used} />{" "}
                <small>
                  of <Full v={granted} />
                </small>
              </dd>
            </div>
            {!isZero(overdraft) && (
              <div>
                <dt>Overdraft</dt>
                <dd className="ink-bad">
                  <Full v={overdraft} />
                </dd>
              </div>
            )}
          </dl>
          <GrantTable title="Spent in this order" grants={order} numbered onVoid={setVoiding} empty="No grant has anything left" />
          {rest.length > 0 && <GrantTable title="Used up, scheduled and ended" grants={rest} onVoid={setVoiding} empty="" />}
        </>
      )}
      <Ledger customerId={customerId} currencyId={currency.id} grants={grants.data ?? []} />
      {granting && <GrantForm customerId={customerId} currency={currency} onClose={() => setGranting(false)} />}
      {voiding && (
        <Confirm
          title={`Void “${voiding.displayName}”?`}
          action="Void"
          danger
          onClose={() => setVoiding(null)}
          onConfirm={async () => {
            await api.post(path`/credits/grants/${voiding.id}/void`);
            toast("Grant voided");
            void client.invalidateQueries();
          }}
        >
          <p>
            What is left of it,{" "}
            <Full v={sub(voiding.amount, voiding.consumedAmount)} unit={currency.units?.plural ?? currency.displayName} />, lapses at once.
            What was used stays used. This cannot be undone.
          </p>
        </Confirm>
      )}
    </Body>
  );
}

function Body({ children }: { children: React.ReactNode }) {
  return <div className="customer-body stack">{children}</div>;
}

type GrantTableProps = { title: string; grants: Grant[]; numbered?: boolean; onVoid: (g: Grant) => void; empty: string };

const isOpen = (g: Grant) => g.status === "ACTIVE" || g.status === "SCHEDULED";
const isUsedUp = (g: Grant) => nano(g.consumedAmount) >= nano(g.amount);

/** A grant that is active and has nothing left is of no use any more. */
const statusOf = (g: Grant) => (g.status === "ACTIVE" && g.grantType !== "OVERDRAFT" && isUsedUp(g) ? "USED_UP" : g.status);

function GrantTable({ title, grants, numbered, onVoid, empty }: GrantTableProps) {
  return (
    <section className="panel">
      <header>
        <h2>{title}</h2>
        {numbered && <span className="small muted">by priority, earliest expiry, promotional first, oldest</span>}
      </header>
      {grants.length === 0 ? (
        <Empty title={empty} />
      ) : (
        <Table
          rows={grants}
          id={g => g.id}
          columns={[
            numbered === true && { head: "Next", look: "num muted", cell: (_, i) => i + 1 },
            {
              head: "Grant",
              look: "break",
              cell: g => (
                <>
                  <span className="strong">{g.displayName}</span>
                  <div className="small muted">
                    {g.grantType.toLowerCase()}
                    {g.priority > 0 && ` · priority ${g.priority}`}
                    {g.comment && ` · ${g.comment}`}
                  </div>
                </>
              ),
            },
            {
              head: "Used",
              look: "cell-bar",
              cell: g => (
                <>
                  {!isZero(g.amount) && <UsageBar used={g.consumedAmount} held={0} limit={g.amount} status="ok" />}
                  <span className="small muted">
                    <Full v={g.consumedAmount} />
                  </span>
                </>
              ),
            },
            { head: "Amount", look: "right", cell: g => <Full v={g.amount} /> },
            { head: "Left", look: "right", cell: g => (isOpen(g) ? <Full v={sub(g.amount, g.consumedAmount)} /> : "–") },
            {
              head: "Expires",
              look: "muted num",
              cell: g => (g.expireAt ? <span title={longTime(g.expireAt)}>{day(g.expireAt)}</span> : "never"),
            },
            { head: "Status", look: "muted nowrap", cell: g => statusName("grant", statusOf(g)) },
          ]}
          actions={g => isOpen(g) && g.grantType !== "OVERDRAFT" && !isUsedUp(g) && <RowButton onClick={() => onVoid(g)}>Void</RowButton>}
        />
      )}
    </section>
  );
}

function GrantForm({ customerId, currency, onClose }: { customerId: string; currency: Currency; onClose: () => void }) {
  const api = useApi();
  const [key] = useState(newKey);
  const { values, bind } = useFields({
    amount: "",
    displayName: "",
    grantType: "PAID" as "PAID" | "PROMOTIONAL",
    priority: "0",
    effective: "",
    expire: "",
    comment: "",
  });
  const amount = readAmount(values.amount).amount;
  const { displayName, grantType, comment } = values;
  return (
    <FormDialog
      title={`Grant ${currency.displayName}`}
      action="Grant"
      ready={amount !== null && !isZero(amount.text) && displayName !== ""}
      save={() =>
        api.post(
          "/credits/grants",
          {
            customerId,
            currencyId: currency.id,
            amount,
            displayName,
            grantType,
            priority: Number(values.priority) || 0,
            effectiveAt: fromLocal(values.effective),
            expireAt: fromLocal(values.expire),
            comment: comment || undefined,
          },
          { idempotencyKey: key },
        )
      }
      said={`${formatExact(amount?.text ?? 0)} ${currency.units?.plural ?? currency.displayName} granted`}
      onClose={onClose}
    >
      <AmountField label="Amount" {...bind("amount")} unit={currency.units?.plural ?? currency.displayName} above0 autoFocus />
      <Text label="Name" {...bind("displayName")} placeholder="Order 1003" />
      <Select
        label="Type"
        {...bind("grantType")}
        options={[
          ["PAID", "Paid"],
          ["PROMOTIONAL", "Promotional"],
        ]}
      />
      <Text label="Priority" {...bind("priority")} inputMode="numeric" hint="Lower is spent first" />
      <Text label="From" type="datetime-local" {...bind("effective")} hint="Left empty: at once" />
      <Text label="Expires" type="datetime-local" {...bind("expire")} hint="Left empty: never" />
      <Text wide label="Comment" {...bind("comment")} />
    </FormDialog>
  );
}
