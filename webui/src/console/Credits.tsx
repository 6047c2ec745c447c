import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { add, formatExact, isZero, nano, parseAmount, sub } from "../api/amount";
import { newKey, path } from "../api/client";
import type { Amount } from "../api/json";
import type { Currency, Grant, LedgerEntry, Page } from "../api/types";
import { Pager } from "../governance/Holds";
import { day, fromLocal } from "../lib/time";
import { Amt, At, Button, Confirm, Dialog, Empty, Select, Skeleton, Text, Trouble, toast, UsageBar, useAction } from "../ui";
import { useApi } from "./App";
import { burnOrder } from "./burn";

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
  if (currencies.isPending) return <Body>{<Skeleton />}</Body>;
  if (currencies.isError)
    return (
      <Body>
        <Trouble error={currencies.error} retry={() => currencies.refetch()} />
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
      {grants.isPending && <Skeleton />}
      {grants.isError && <Trouble error={grants.error} retry={() => grants.refetch()} />}
      {grants.data && (
        <>
          <dl className="figures">
            <div>
              <dt>Left</dt>
              <dd className={nano(left) <= 0n ? "ink-bad" : ""}>
                <Amt v={left} />
              </dd>
            </div>
            <div>
              <dt>Used of active grants</dt>
              <dd>
                <Amt v={used} /> <small>of {formatExact(granted)}</small>
              </dd>
            </div>
            {!isZero(overdraft) && (
              <div>
                <dt>Overdraft</dt>
                <dd className="ink-bad">
                  <Amt v={overdraft} />
                </dd>
              </div>
            )}
          </dl>
          <GrantTable title="Burned in this order" grants={order} numbered onVoid={setVoiding} empty="Nothing is left to burn" />
          {rest.length > 0 && <GrantTable title="Used up, scheduled and ended" grants={rest} onVoid={setVoiding} empty="" />}
        </>
      )}
      <Ledger customerId={customerId} currencyId={currency.id} grants={grants.data ?? []} />
      {granting && <GrantForm customerId={customerId} currency={currency} onClose={() => setGranting(false)} />}
      {voiding && (
        <Confirm
          title={`Take back “${voiding.displayName}”?`}
          action="Take back"
          danger
          onClose={() => setVoiding(null)}
          onConfirm={async () => {
            await api.post(path`/credits/grants/${voiding.id}/void`);
            toast("Grant taken back");
            void client.invalidateQueries();
          }}
        >
          <p>
            <Amt v={sub(voiding.amount, voiding.consumedAmount)} unit={currency.units?.plural ?? currency.displayName} /> that are left of
            it lapse at once. What was used stays used. This cannot be undone.
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
        <div className="table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                {numbered && <th>Next</th>}
                <th>Grant</th>
                <th>Used</th>
                <th className="right">Amount</th>
                <th className="right">Left</th>
                <th>Expires</th>
                <th>Status</th>
                <th>
                  <span className="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {grants.map((g, i) => (
                <tr key={g.id}>
                  {numbered && <td className="num muted">{i + 1}</td>}
                  <td>
                    <span className="strong break">{g.displayName}</span>
                    <div className="small muted">
                      {g.grantType.toLowerCase()}
                      {g.priority > 0 && ` · priority ${g.priority}`}
                      {g.comment && ` · ${g.comment}`}
                    </div>
                  </td>
                  <td className="cell-bar">
                    {!isZero(g.amount) && <UsageBar used={g.consumedAmount} held={0} limit={g.amount} status="ok" />}
                    <span className="small muted">
                      <Amt v={g.consumedAmount} />
                    </span>
                  </td>
                  <td className="right">
                    <Amt v={g.amount} />
                  </td>
                  <td className="right">
                    {g.status === "ACTIVE" || g.status === "SCHEDULED" ? <Amt v={sub(g.amount, g.consumedAmount)} /> : "–"}
                  </td>
                  <td className="muted num">{g.expireAt ? day(g.expireAt) : "never"}</td>
                  <td className="muted">{g.status.toLowerCase()}</td>
                  <td className="right">
                    {(g.status === "ACTIVE" || g.status === "SCHEDULED") &&
                      g.grantType !== "OVERDRAFT" &&
                      nano(g.consumedAmount) < nano(g.amount) && (
                        <Button size="small" look="quiet" onClick={() => onVoid(g)}>
                          Take back
                        </Button>
                      )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function GrantForm({ customerId, currency, onClose }: { customerId: string; currency: Currency; onClose: () => void }) {
  const api = useApi();
  const client = useQueryClient();
  const [key] = useState(newKey);
  const [amount, setAmount] = useState("");
  const [name, setName] = useState("");
  const [type, setType] = useState<"PAID" | "PROMOTIONAL">("PAID");
  const [expires, setExpires] = useState("");
  const [starts, setStarts] = useState("");
  const [priority, setPriority] = useState("0");
  const [comment, setComment] = useState("");
  const run = useAction();
  const parsed = parseAmount(amount);
  const save = () =>
    run.start(
      () =>
        api.post(
          "/credits/grants",
          {
            customerId,
            currencyId: currency.id,
            amount: parsed,
            displayName: name,
            grantType: type,
            priority: Number(priority) || 0,
            effectiveAt: fromLocal(starts),
            expireAt: fromLocal(expires),
            comment: comment || undefined,
          },
          key,
        ),
      () => {
        toast(`${formatExact(parsed?.text ?? 0)} ${currency.units?.plural ?? currency.displayName} granted`);
        void client.invalidateQueries();
        onClose();
      },
    );
  return (
    <Dialog
      title={`Grant ${currency.displayName}`}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={run.busy} disabled={!parsed || isZero(parsed.text) || name === ""} onClick={save}>
            Grant
          </Button>
        </>
      }
    >
      <div className="stack">
        <div className="fields">
          <Text
            label="Amount"
            value={amount}
            onChange={setAmount}
            inputMode="decimal"
            autoFocus
            problem={amount && !parsed ? "A number above 0" : null}
          />
          <Text label="Name" value={name} onChange={setName} placeholder="Order 1003" />
          <Select
            label="Type"
            value={type}
            onChange={setType}
            options={[
              ["PAID", "Paid"],
              ["PROMOTIONAL", "Promotional"],
            ]}
          />
          <Text label="Priority" value={priority} onChange={setPriority} inputMode="numeric" hint="Lower is burned first" />
          <Text label="From" type="datetime-local" value={starts} onChange={setStarts} hint="Left empty: at once" />
          <Text label="Expires" type="datetime-local" value={expires} onChange={setExpires} hint="Left empty: never" />
          <Text wide label="Comment" value={comment} onChange={setComment} />
        </div>
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}

function Ledger({ customerId, currencyId, grants }: { customerId: string; currencyId: string; grants: Grant[] }) {
  const api = useApi();
  const [cursors, setCursors] = useState([""]);
  const [type, setType] = useState("");
  const after = cursors.at(-1) ?? "";
  const got = useQuery({
    queryKey: ["ledger", customerId, currencyId, type, after],
    queryFn: () => api.get<Page<LedgerEntry>>("/credits/ledger", { customerId, currencyId, eventType: type, limit: 25, after }),
  });
  const name = (id: string) => grants.find(g => g.id === id)?.displayName ?? id;
  return (
    <section className="panel">
      <header>
        <h2 className="grow">Ledger</h2>
        <select
          className="input"
          style={{ width: "auto" }}
          aria-label="Kind of entry"
          value={type}
          onChange={e => {
            setType(e.target.value);
            setCursors([""]);
          }}
        >
          <option value="">All entries</option>
          {["GRANTED", "CONSUMED", "EXPIRED", "VOIDED", "UPDATED"].map(t => (
            <option key={t} value={`CREDITS_${t}`}>
              {t.toLowerCase()}
            </option>
          ))}
        </select>
      </header>
      {got.isPending && (
        <div className="body">
          <Skeleton />
        </div>
      )}
      {got.isError && (
        <div className="body">
          <Trouble error={got.error} retry={() => got.refetch()} />
        </div>
      )}
      {got.data?.data.length === 0 && <Empty title="No entries" />}
      {got.data && got.data.data.length > 0 && (
        <div className="table-wrap" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Time</th>
                <th>Entry</th>
                <th>Grant</th>
                <th>For</th>
                <th className="right">Amount</th>
              </tr>
            </thead>
            <tbody>
              {got.data.data.map((e, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: entries have no id
                <tr key={i}>
                  <td className="muted">
                    <At at={e.timestamp} />
                  </td>
                  <td>{e.eventType.replace("CREDITS_", "").replaceAll("_", " ").toLowerCase()}</td>
                  <td className="break">{name(e.creditGrantId)}</td>
                  <td className="muted">{e.featureId ?? "–"}</td>
                  <td className="right num">{formatExact(e.amount)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {(cursors.length > 1 || got.data?.pagination.next) && (
        <div className="body" style={{ paddingTop: 12 }}>
          <Pager cursors={cursors} setCursors={setCursors} next={got.data?.pagination.next} />
        </div>
      )}
    </section>
  );
}
