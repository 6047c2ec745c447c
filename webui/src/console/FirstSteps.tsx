import { Check } from "lucide-react";
import { Link } from "wouter";
import { type Api, path } from "../api/client";
import type { ApiKey, Currency, Customer, Entity, EntityType, Feature, Overview, Page, Tree } from "../api/types";
import { Code } from "../ui";

type Step = { title: string; text: string; code: string; done: boolean; act?: { href: string; label: string } };

const finished = "bursar-first-steps";

/** That they were finished is remembered: the counts of requests begin anew with each start of the server. */
export const remembered = () => localStorage.getItem(finished) !== null;

/** What is to be done on an empty server until the first request is answered, and what of it is done. */
export async function firstSteps(api: Api): Promise<Step[]> {
  const one = { limit: 1 };
  const [types, features, currencies, customers, keys, overview] = await Promise.all([
    api.get<Page<EntityType>>("/entity-types", one),
    api.get<Page<Feature>>("/features", one),
    api.get<Page<Currency>>("/credits/custom-currencies", one),
    api.get<Page<Customer>>("/customers", one),
    // A key that reads may not list keys; whoever has it did not begin here.
    api.all<ApiKey>("/api-keys").catch(() => []),
    api.get<{ data: Overview }>("/overview").catch(() => null),
  ]);
  const customer = customers.data[0]?.id;
  const { entities, limited, used } = customer ? await tree(api, customer) : { entities: [], limited: false, used: false };
  const runtime = keys.filter(k => k.scope === "runtime" && k.revokedAt === null);
  const checks = overview?.data.checks;
  const asked = used || runtime.some(k => k.lastUsedAt !== null) || (checks !== undefined && checks.granted + checks.denied > 0);
  if (asked) localStorage.setItem(finished, "done");
  const here = path`/console/customers/${customer ?? ""}`;
  return [
    {
      title: "Say what kinds of entity there are",
      text: "Departments, teams, users, agents: whatever your customers are made of, and which dimension of a request names one.",
      code: call("PUT", "/entity-types", {
        types: [
          { id: "team", displayName: "Team", attributionKeys: ["teamId"] },
          { id: "agent", displayName: "Agent", attributionKeys: ["agentId"] },
        ],
      }),
      done: types.data.length > 0,
      act: { href: "/console/catalogue/types", label: "Add entity types" },
    },
    {
      title: "Say what is limited",
      text: "A feature such as tokens or messages, or a currency such as credits.",
      code: call("POST", "/features", { id: "llm-tokens", displayName: "LLM tokens", featureType: "NUMBER" }),
      done: features.data.length + currencies.data.length > 0,
      act: { href: "/console/catalogue/features", label: "Add a feature" },
    },
    {
      title: "Add a customer",
      text: "Each has its own tree of budgets.",
      code: call("POST", "/customers", { id: "acme", name: "Acme Corp" }),
      done: customer !== undefined,
      act: { href: "/console/customers", label: "Add a customer" },
    },
    {
      title: "Add one of its teams, and a limit",
      text: "Teams, people and agents hang below one another; each may have limits.",
      code: [
        call("PUT", path`/customers/${customer ?? "acme"}/entities`, {
          entities: [{ id: "search", entityTypeId: types.data[0]?.id ?? "team", displayName: "Search" }],
        }),
        call("PUT", path`/customers/${customer ?? "acme"}/assignments`, {
          assignments: [
            { entityId: entities[0]?.id ?? "search", ...what(features.data[0], currencies.data[0]), usageLimit: 1000, cadence: "P1D" },
          ],
        }),
      ].join("\n\n"),
      done: entities.length > 0 && limited,
      act: { href: here, label: "Open its tree" },
    },
    {
      title: "Make a key for your product",
      text: "A runtime key may ask and report, and change nothing.",
      code: call("POST", "/api-keys", { name: "gateway", scope: "runtime" }),
      done: runtime.length > 0,
      act: { href: "/console/developers/keys", label: "Create a key" },
    },
    {
      title: "Ask before the first request",
      text: "Waiting for it: this list ends when the first check, or the first usage, has arrived.",
      code: `curl -H "X-API-KEY: $BURSAR_ADMIN_KEY" \\\n  '${location.origin}/api/v1${checkPath(customer, features.data[0], currencies.data[0], types.data[0], entities[0])}'`,
      done: asked,
    },
  ];
}

async function tree(api: Api, customer: string) {
  const [entities, all] = await Promise.all([
    api.get<Page<Entity>>(path`/customers/${customer}/entities`, { limit: 1 }),
    api.get<Page<unknown>>(path`/customers/${customer}/assignments`, { limit: 1 }),
  ]);
  const ids = async (list: string) => (await api.get<Page<{ id: string }>>(list, { limit: 50 })).data.map(x => x.id);
  const [featureIds, currencyIds] = await Promise.all([ids("/features"), ids("/credits/custom-currencies")]);
  const rows =
    featureIds.length + currencyIds.length === 0
      ? null
      : await api.get<Tree>(path`/customers/${customer}/governance`, { featureIds, currencyIds, sortBy: "currentUsage", limit: 1 });
  const most = rows?.data[0]?.currentUsage;
  return { entities: entities.data, limited: all.data.length > 0, used: most != null && Number(most) > 0 };
}

const call = (method: string, at: string, body: unknown) =>
  `curl -X ${method} -H "X-API-KEY: $BURSAR_ADMIN_KEY" -H 'Content-Type: application/json' \\\n  ${location.origin}/api/v1${at} \\\n  -d '${JSON.stringify(body)}'`;

const what = (f: Feature | undefined, c: Currency | undefined) => (f || !c ? { featureId: f?.id ?? "llm-tokens" } : { currencyId: c.id });

function checkPath(
  customer = "acme",
  f: Feature | undefined,
  c: Currency | undefined,
  type: EntityType | undefined,
  entity: Entity | undefined,
): string {
  const query = new URLSearchParams([...Object.entries(what(f, c)), ["requestedUsage", "1"]]);
  return `${path`/customers/${customer}/entitlements/check`}?${query}&dimensions[${type?.attributionKeys[0] ?? "teamId"}]=${encodeURIComponent(entity?.id ?? "search")}`;
}

export function FirstSteps({ steps }: { steps: Step[] }) {
  const next = steps.findIndex(s => !s.done);
  return (
    <section className="panel" aria-label="First steps">
      <header>
        <h2 className="grow">First steps</h2>
        <span className="small muted num">
          {steps.filter(s => s.done).length} of {steps.length}
        </span>
      </header>
      <ol className="steps">
        {steps.map((s, i) => (
          <li key={s.title} className={s.done ? "done" : ""}>
            <span className="mark">{s.done ? <Check size={14} aria-label="done" /> : i + 1}</span>
            <div className="grow stack tight">
              <h3>{s.title}</h3>
              {!s.done && <p className="muted">{s.text}</p>}
              {i === next && (
                <>
                  {s.act && (
                    <div className="row">
                      <Link className="button primary" href={s.act.href}>
                        {s.act.label}
                      </Link>
                      <span className="small muted">or</span>
                    </div>
                  )}
                  <Code text={s.code} />
                </>
              )}
            </div>
          </li>
        ))}
      </ol>
      <div className="body small muted">
        <code>$BURSAR_ADMIN_KEY</code> is the key you signed in with. Your product asks with a runtime key of its own.
      </div>
    </section>
  );
}
