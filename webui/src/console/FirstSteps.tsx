import { Check } from "lucide-react";
import { Link } from "wouter";
import type { Api } from "../api/client";
import type { Currency, Customer, EntityType, Feature, Page } from "../api/types";
import { Code } from "../ui";

type Step = { title: string; text: string; code: string; done: boolean };

/** What is to be done on an empty server, and what of it is done. */
export async function firstSteps(api: Api): Promise<Step[]> {
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

export function FirstSteps({ steps }: { steps: Step[] }) {
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
