import { useQuery } from "@tanstack/react-query";
import { Check } from "lucide-react";
import { Link } from "wouter";
import { formatExact, formatRatio } from "../api/amount";
import { isStatus } from "../api/client";
import type { Currency, Customer, EntityType, Feature, One, Overview, Page } from "../api/types";
import { statusOf } from "../governance/tree";
import { cadenceWords } from "../lib/time";
import { Amt, Code, Empty, Notice, Skeleton, StatusBadge, Trouble, UsageBar, When } from "../ui";
import { useApi } from "./App";

/** What happens right now, over all customers. */
export function Home() {
  const api = useApi();
  const got = useQuery({ queryKey: ["overview"], queryFn: () => api.get<One<Overview>>("/overview"), refetchInterval: 2000, retry: false });
  const start = useQuery({ queryKey: ["first-steps"], queryFn: () => steps(api), staleTime: 10_000 });
  const done = start.data?.every(s => s.done);
  return (
    <div className="page stack loose">
      <div className="row between wrap">
        <h1>Home</h1>
        {got.data && (
          <span className="small muted num">
            Counting since <When at={got.data.data.since} />
          </span>
        )}
      </div>
      {start.data && !done && <FirstSteps steps={start.data} />}
      {got.isPending && <Skeleton lines={8} />}
      {got.isError &&
        (isStatus(got.error, 404) ? (
          <Notice>This server does not report an overview. Customers, their budgets and the catalogue work as always.</Notice>
        ) : (
          <Trouble error={got.error} retry={() => got.refetch()} />
        ))}
      {got.data && <Figures o={got.data.data} />}
    </div>
  );
}

function Figures({ o }: { o: Overview }) {
  const minutes = o.minutes.slice(-30);
  const rate = (key: "granted" | "denied") => {
    const last = minutes.at(-2) ?? minutes.at(-1);
    return last ? last[key] / 60 : 0;
  };
  const perSecond = rate("granted") + rate("denied");
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
            {o.checks.denied.toLocaleString("en")}{" "}
            <small>
              {o.checks.granted + o.checks.denied > 0 ? formatRatio(o.checks.denied / (o.checks.granted + o.checks.denied)) : ""} of checks
            </small>
          </dd>
        </div>
        <div>
          <dt>Holds open</dt>
          <dd>{o.holdsOpen.toLocaleString("en")}</dd>
        </div>
        <div>
          <dt>Customers</dt>
          <dd>{o.customers.toLocaleString("en")}</dd>
        </div>
        {o.spend.slice(0, 2).map(s => (
          <div key={s.currencyId}>
            <dt>{s.displayName}, last 24 hours</dt>
            <dd>
              {s.symbol}
              <Amt v={s.last24Hours} />
            </dd>
          </div>
        ))}
      </dl>
      <section className="panel">
        <header>
          <h2 className="grow">Requests per minute</h2>
          <span className="small muted row">
            <span className="key granted" /> granted <span className="key denied" /> denied
          </span>
        </header>
        <div className="body">
          <Minutes minutes={minutes} />
        </div>
      </section>
      <div className="halves">
        <section className="panel">
          <header>
            <h2>Closest to their limit</h2>
          </header>
          {o.closest.length === 0 ? (
            <Empty title="Nobody is at 80% or more" />
          ) : (
            <div className="table-wrap" tabIndex={0}>
              <table>
                <thead>
                  <tr>
                    <th>Who</th>
                    <th>Used</th>
                    <th className="right">Limit</th>
                    <th>Status</th>
                  </tr>
                </thead>
                <tbody>
                  {o.closest.slice(0, 10).map(r => {
                    const status = statusOf(r, null);
                    return (
                      <tr key={r.customerId + r.assignmentId}>
                        <td>
                          <Link
                            href={`/console/customers/${encodeURIComponent(r.customerId)}/tree?node=${encodeURIComponent(r.entityId)}`}
                            className="strong break"
                          >
                            {r.displayName ?? r.entityId}
                          </Link>
                          <div className="small muted break">
                            {r.customerId} · {r.currencyId ?? r.featureId} per {cadenceWords(r.cadence ?? "")}
                            {r.scopeEntityIds.length > 0 && ` · on ${r.scopeEntityIds.join(", ")}`}
                          </div>
                        </td>
                        <td className="cell-bar">
                          <UsageBar used={r.currentUsage ?? 0} held={r.reserved ?? 0} limit={r.usageLimit} status={status} />
                          <span className="num small muted">{r.utilization === null ? "" : formatRatio(Number(r.utilization))}</span>
                        </td>
                        <td className="right">{r.usageLimit === null ? "–" : <Amt v={r.usageLimit} />}</td>
                        <td>
                          <StatusBadge status={status} />
                        </td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </div>
          )}
        </section>
        <section className="panel">
          <header>
            <h2>Limits that stop most</h2>
          </header>
          {o.binding.length === 0 ? (
            <Empty title="Nothing has been stopped" />
          ) : (
            <div className="table-wrap" tabIndex={0}>
              <table>
                <thead>
                  <tr>
                    <th>Limit</th>
                    <th className="right">Denials</th>
                    <th>Last</th>
                  </tr>
                </thead>
                <tbody>
                  {o.binding.slice(0, 10).map(b => (
                    <tr key={`${b.customerId}${b.assignmentId}${b.source}`}>
                      <td>
                        <Link
                          href={`/console/customers/${encodeURIComponent(b.customerId)}/${b.source === "CREDITS" ? "credits" : `tree${b.entityId ? `?node=${encodeURIComponent(b.entityId)}` : ""}`}`}
                          className="strong break"
                        >
                          {b.source === "CREDITS" ? "Prepaid pool" : (b.entityId ?? "Customer limit")}
                        </Link>
                        <div className="small muted break">
                          {b.customerId} · {b.currencyId ?? b.featureId} {b.label && `· ${b.label}`}
                        </div>
                      </td>
                      <td className="right num">{formatExact(b.denials)}</td>
                      <td className="small muted">
                        <When at={b.lastAt} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </section>
      </div>
    </>
  );
}

/** Granted and denied requests of each minute, stacked. */
function Minutes({ minutes }: { minutes: Overview["minutes"] }) {
  const top = Math.max(1, ...minutes.map(m => m.granted + m.denied));
  const width = 100 / Math.max(1, minutes.length);
  return (
    <svg
      className="minutes"
      viewBox="0 0 100 40"
      preserveAspectRatio="none"
      role="img"
      aria-label={`Requests of the last ${minutes.length} minutes, at most ${top} in one`}
    >
      {minutes.map((m, i) => {
        const g = (m.granted / top) * 40;
        const d = (m.denied / top) * 40;
        return (
          <g key={m.timestamp}>
            <title>{`${new Date(m.timestamp).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}: ${m.granted} granted, ${m.denied} denied, ${m.usageEvents} usage events`}</title>
            <rect className="granted" x={i * width + width * 0.12} width={width * 0.76} y={40 - g} height={g} />
            <rect className="denied" x={i * width + width * 0.12} width={width * 0.76} y={40 - g - d} height={d} />
          </g>
        );
      })}
    </svg>
  );
}

type Step = { title: string; text: string; code: string; done: boolean };

async function steps(api: ReturnType<typeof useApi>): Promise<Step[]> {
  const [types, features, currencies, customers] = await Promise.all([
    api.get<Page<EntityType>>("/entity-types", { limit: 1 }),
    api.get<Page<Feature>>("/features", { limit: 1 }),
    api.get<Page<Currency>>("/credits/custom-currencies", { limit: 1 }),
    api.get<Page<Customer>>("/customers", { limit: 1 }),
  ]);
  const call = (method: string, path: string, body: unknown) =>
    `curl -X ${method} -H "X-API-KEY: $BURSAR_API_KEY" -H 'Content-Type: application/json' \\\n  ${location.origin}/api/v1${path} \\\n  -d '${JSON.stringify(body)}'`;
  const team = [
    { id: "team", displayName: "Team", attributionKeys: ["teamId"] },
    { id: "agent", displayName: "Agent", attributionKeys: ["agentId"] },
  ];
  return [
    {
      title: "Say what kinds of entity there are",
      text: "Departments, teams, users, agents: whatever your customers are made of, and which dimension of a request names one.",
      code: call("PUT", "/entity-types", { types: team }),
      done: types.data.length > 0,
    },
    {
      title: "Say what is limited",
      text: "A feature such as tokens or messages, or a currency such as credits.",
      code: call("POST", "/features", { id: "llm-tokens", displayName: "LLM tokens", featureType: "NUMBER" }),
      done: features.data.length + currencies.data.length > 0,
    },
    {
      title: "Add a customer",
      text: "Then its entities, and a limit on one of them.",
      code: [
        call("POST", "/customers", { id: "acme", name: "Acme Corp" }),
        call("PUT", "/customers/acme/entities", { entities: [{ id: "search", entityTypeId: "team", displayName: "Search" }] }),
        call("PUT", "/customers/acme/assignments", {
          assignments: [{ entityId: "search", featureId: "llm-tokens", usageLimit: 1000, cadence: "P1D" }],
        }),
      ].join("\n\n"),
      done: customers.data.length > 0,
    },
  ];
}

function FirstSteps({ steps }: { steps: Step[] }) {
  const next = steps.findIndex(s => !s.done);
  return (
    <section className="panel">
      <header>
        <h2>First steps</h2>
      </header>
      <ol className="steps">
        {steps.map((s, i) => (
          <li key={s.title} className={s.done ? "done" : ""}>
            <span className="mark">{s.done ? <Check size={14} aria-label="done" /> : i + 1}</span>
            <div className="grow stack tight">
              <h3>{s.title}</h3>
              {!s.done && <p className="muted">{s.text}</p>}
              {i === next && <Code text={s.code} />}
            </div>
          </li>
        ))}
      </ol>
      <div className="body small muted">
        The same can be done under <Link href="/console/catalogue">Catalogue</Link> and <Link href="/console/customers">Customers</Link>.
        Then ask before each action: <code>GET /customers/acme/entitlements/check</code>
      </div>
    </section>
  );
}
