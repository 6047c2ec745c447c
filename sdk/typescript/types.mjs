// Writes src/types.ts from ../../httpapi/openapi.json: the routes that an application calls at
// run time, what each takes and what it answers. With --check it only compares.
//
//   node types.mjs [--check]
import { readFileSync, writeFileSync } from "node:fs";

const here = new URL(".", import.meta.url);
const api = JSON.parse(readFileSync(new URL("../../httpapi/openapi.json", here), "utf8"));
const target = new URL("src/types.ts", here);

// Of each route: the name of its query's type, where it has one.
const routes = {
  "GET /customers/{customerId}/entitlements/check": "CheckQuery",
  "POST /customers/{customerId}/entitlements/checks": "",
  "POST /customers/{customerId}/reservations": "",
  "GET /customers/{customerId}/reservations": "ReservationsQuery",
  "GET /customers/{customerId}/reservations/{reservationId}": "",
  "POST /customers/{customerId}/reservations/{reservationId}/commit": "",
  "POST /customers/{customerId}/reservations/{reservationId}/extend": "",
  "POST /customers/{customerId}/reservations/{reservationId}/release": "",
  "POST /customers/{customerId}/consume": "",
  "POST /events": "",
  "POST /events/estimate": "",
  "POST /usage": "",
  "POST /usage/estimate": "",
  "GET /customers/{customerId}/usage": "UsageQuery",
  "GET /customers/{customerId}/governance": "BudgetsQuery",
  "GET /customers/{customerId}/forecast": "ForecastQuery",
  "GET /customers/{customerId}/denials": "DenialsQuery",
  "POST /customers/{customerId}/explain": "",
  "POST /customers/{customerId}/boost-requests": "",
  "GET /customers/{customerId}/boost-requests": "BoostRequestsQuery",
  "GET /customers/{customerId}/boost-requests/{boostRequestId}": "",
};

// Names that would hide those of browsers, or say too little.
const renamed = { Event: "EventResult", Node: "LimitNode", Usage: "UsageResult", Consume: "Consumption" };
const nameOf = (schema) => renamed[schema] ?? schema;

const wanted = [];
const want = (schema) => {
  if (!wanted.includes(schema)) wanted.push(schema);
  return nameOf(schema);
};

/** The TypeScript type of a schema. */
function type(s) {
  if (s.$ref) return want(s.$ref.split("/").pop());
  const some = s.anyOf ?? s.oneOf;
  if (some) return some.map(type).join(" | ");
  if (Array.isArray(s.type)) return s.type.map((t) => type({ ...s, type: t })).join(" | ");
  if (s.enum) return s.enum.filter((v) => v !== null).map((v) => JSON.stringify(v)).join(" | ");
  switch (s.type) {
    case "array": {
      const of = type(s.items);
      return of.includes(" ") ? `(${of})[]` : `${of}[]`;
    }
    case "object":
      if (s.properties) return `{ ${members(s).map((m) => m.text).join("; ")} }`;
      return `Record<string, ${typeof s.additionalProperties === "object" ? type(s.additionalProperties) : "unknown"}>`;
    case "integer":
      return "number";
    case "string": case "number": case "boolean": case "null":
      return s.type;
  }
  throw new Error(`no type for ${JSON.stringify(s)}`);
}

function members(s) {
  return Object.entries(s.properties ?? {}).map(([name, of]) => ({
    text: `${name}${s.required?.includes(name) ? "" : "?"}: ${type(of)}`,
    doc: of.description,
  }));
}

function declare(name, doc, list) {
  const lines = list.map((m) => `${m.doc ? `  /** ${m.doc} */\n` : ""}  ${m.text};\n`);
  return `${doc ? `/** ${doc} */\n` : ""}export interface ${name} {\n${lines.join("")}}\n`;
}

const out = [];
const table = [];
for (const [route, queryName] of Object.entries(routes)) {
  const [method, path] = route.split(" ");
  const op = api.paths["/api/v1" + path]?.[method.toLowerCase()];
  if (!op) throw new Error(`openapi.json has no ${route}`);
  const query = (op.parameters ?? []).filter((p) => p.in === "query" && p.name !== "minVersion" && p.name !== "maxStalenessMs");
  if (queryName) {
    out.push(declare(queryName, op.summary, query.map((p) => ({ text: `${p.name}${p.required ? "" : "?"}: ${type(p.schema)}`, doc: p.description }))));
  }
  const body = op.requestBody?.content["application/json"].schema;
  const reply = Object.entries(op.responses).find(([status]) => status.startsWith("2"))[1].content["application/json"].schema;
  const inner = Object.keys(reply.properties ?? {}).join() === "data" ? reply.properties.data : reply;
  table.push(`  ${JSON.stringify(route)}: { query: ${queryName || "undefined"}; body: ${body ? type(body) : "undefined"}; reply: ${type(inner)} };\n`);
}
type({ $ref: "#/components/schemas/Problem" });
for (let i = 0; i < wanted.length; i++) {
  const s = api.components.schemas[wanted[i]];
  if (s.anyOf || s.oneOf) out.push(`${s.description ? `/** ${s.description} */\n` : ""}export type ${nameOf(wanted[i])} = ${type(s)};\n`);
  else out.push(declare(nameOf(wanted[i]), s.description, members(s)));
}

const text = `// Written by types.mjs from httpapi/openapi.json; not by hand.\n
/** What each route takes and answers. What comes wrapped in \`data\` is told without it. */
export interface Routes {\n${table.join("")}}\n\n${out.join("\n")}`;
if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (text !== readFileSync(target, "utf8")) {
  console.error("src/types.ts is not what httpapi/openapi.json says: run  node sdk/typescript/types.mjs  and read the difference");
  process.exit(1);
}
