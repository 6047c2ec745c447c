import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { formatRatio } from "../api/amount";
import { count } from "../api/locale";
import type { Feature, Overview, TreeRow } from "../api/types";
import { standingOf } from "../governance/standing";
import { perCadence } from "../lib/time";
import { Empty, StatusBadge, UsageBar, When } from "../ui";
import { Full } from "../ui/Full";
import { Table } from "../ui/List";
import { Minutes } from "./Minutes";
import { useApi } from "./session";

export function Figures({ o }: { o: Overview }) {
  const names = useNames(o);
  const last = o.minutes.at(-2) ?? o.minutes.at(-1);
  const perSecond = last ? (last.granted + last.denied) / 60 : 0;
  const checks = o.checks.granted + o.checks.denied;
  return (
    <>
      <dl className="figures">
        <div>
          <dt>Checks per second</dt>
          <dd>
            {perSecond.toFixed(perSecond < 10 ? 1 : 0)} <small>last minute</small>
          </dd>
        </div>
        <div>
          <dt>Denied</dt>
          <dd>
            {count(o.checks.denied)} <small>{checks > 0 && `${formatRatio(o.checks.denied / checks)} of checks`}</small>
          </dd>
        </div>
        <div>
          <dt>Holds open</dt>
          <dd>{count(o.holdsOpen)}</dd>
        </div>
        <div>
          <dt>Customers</dt>
          <dd>{count(o.customers)}</dd>
        </div>
        {o.spend.slice(0, 2).map(s => (
          <div key={s.currencyId}>
            <dt>{s.displayName}, last 24 hours</dt>
            <dd>
              {s.symbol}
              <Full v={s.last24Hours} />
            </dd>
          </div>
        ))}
      </dl>
      <Minutes minutes={o.minutes.slice(-30)} />
      <div className="halves">
        <Closest o={o} names={names} />
        <Stopping o={o} names={names} />
      </div>
    </>
  );
}

const dot = "\u00a0· ";

type Names = ReturnType<typeof useNames>;
type Named = { customerId: string; entityId: string | null; scopeEntityIds: string[]; featureId?: string; currencyId?: string };

/** The names of what an overview mentions; an id where there is none. */
function useNames(o: Overview) {
  const api = useApi();
  const features = useQuery({ queryKey: ["features"], queryFn: () => api.all<Feature>("/features"), staleTime: 60_000 });
  const names = new Map(o.names.map(n => [JSON.stringify([n.customerId, n.entityId]), n.displayName]));
  const name = (customer: string, entity: string | null) => names.get(JSON.stringify([customer, entity])) ?? entity ?? customer;
  const capability = (c: { featureId?: string; currencyId?: string }) =>
    [...o.spend.filter(s => s.currencyId === c.currencyId), ...(features.data ?? []).filter(f => f.id === c.featureId)][0]?.displayName ??
    c.currencyId ??
    c.featureId;
  return { name, capability };
}

/** What a limit counts, for whom: "Acme Corp · Credits per day · on Large model". The ids are in the titles. */
function Counts({ names, of, each, label }: { names: Names; of: Named; each?: string; label?: string }) {
  const { name, capability } = names;
  return (
    <div className="small muted">
      <span title={of.customerId}>{name(of.customerId, null)}</span>
      {dot}
      <span title={of.currencyId ?? of.featureId}>{capability(of)}</span>
      {each}
      {of.scopeEntityIds.length > 0 && (
        <span title={of.scopeEntityIds.join(", ")}>
          {dot}on {of.scopeEntityIds.map(id => name(of.customerId, id)).join(", ")}
        </span>
      )}
      {label && dot + label}
    </div>
  );
}

const customer = (id: string) => `/console/customers/${encodeURIComponent(id)}`;
const node = (r: { customerId: string; entityId: string | null }) =>
  `${customer(r.customerId)}/tree?node=${encodeURIComponent(r.entityId ?? "")}`;

const stands = (r: TreeRow) => standingOf({ id: r.entityId, effective: r.effective }, r, null);

function Closest({ o, names }: { o: Overview; names: Names }) {
  return (
    <section className="panel">
      <header>
        <h2>Closest to their limit</h2>
      </header>
      {o.closest.length === 0 ? (
        <Empty title="Nobody is at 80% or more" />
      ) : (
        <Table
          rows={o.closest.slice(0, 10)}
          id={r => r.customerId + r.assignmentId}
          columns={[
            {
              head: "Who",
              look: "break",
              cell: r => (
                <>
                  <Link href={node(r)} className="strong" title={r.entityId}>
                    {r.displayName ?? r.entityId}
                  </Link>
                  <Counts names={names} of={r} each={` ${perCadence(r.cadence ?? "")}`} label={r.label ?? ""} />
                </>
              ),
            },
            {
              head: "Used",
              look: "cell-bar",
              cell: r => (
                <>
                  <UsageBar used={r.currentUsage ?? 0} held={r.reserved ?? 0} limit={r.usageLimit} status={stands(r).status} />
                  <span className="num small muted">{r.utilization === null ? "" : formatRatio(Number(r.utilization))}</span>
                </>
              ),
            },
            { head: "Limit", look: "right", cell: r => (r.usageLimit === null ? "–" : <Full v={r.usageLimit} />) },
            { head: "Status", cell: r => <StatusBadge {...stands(r)} /> },
          ]}
        />
      )}
    </section>
  );
}

type Bound = Overview["binding"][number];

/** Which limit it was that denied, and where it is set. */
function Limit({ names, of: b }: { names: Names; of: Bound }) {
  if (b.source === "CREDITS")
    return (
      <Link href={`${customer(b.customerId)}/credits`} className="strong">
        Prepaid pool
      </Link>
    );
  if (b.source === "CUSTOMER")
    return (
      <Link href={`${customer(b.customerId)}/entitlements`} className="strong">
        Entitlement
      </Link>
    );
  return (
    <Link href={node(b)} className="strong" title={b.entityId ?? undefined}>
      {names.name(b.customerId, b.entityId)}
    </Link>
  );
}

function Stopping({ o, names }: { o: Overview; names: Names }) {
  return (
    <section className="panel">
      <header>
        <h2>Limits that stop most</h2>
      </header>
      {o.binding.length === 0 ? (
        <Empty title="Nothing has been stopped" />
      ) : (
        <Table
          rows={o.binding.slice(0, 10)}
          id={b => `${b.customerId} ${b.assignmentId} ${b.source} ${b.featureId} ${b.currencyId}`}
          columns={[
            {
              head: "Limit",
              look: "break",
              cell: b => (
                <>
                  <Limit names={names} of={b} />
                  <Counts names={names} of={b} label={b.label} />
                </>
              ),
            },
            { head: "Denials", look: "right num", cell: b => count(b.denials) },
            { head: "Last", look: "small muted", cell: b => <When at={b.lastAt} /> },
          ]}
        />
      )}
    </section>
  );
}
