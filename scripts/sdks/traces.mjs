// OpenTelemetry's own exporters send spans of a model's calls to a real server, which counts each
// once, and tells the exporter of what it does not count.
//
//   node traces.mjs BURSAR
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { diag, SpanKind } from "@opentelemetry/api";
import { OTLPTraceExporter as JSONExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const key = "0123456789abcdef";
const server = spawn(process.argv[2], ["serve", "--listen", "127.0.0.1:0", "--data", mkdtempSync(join(tmpdir(), "bursar-traces-"))],
  { env: { ...process.env, BURSAR_ADMIN_KEY: key }, stdio: ["ignore", "inherit", "pipe"] });
process.on("exit", () => server.kill("SIGKILL"));
let url;
for await (const line of createInterface({ input: server.stderr })) {
  const said = JSON.parse(line);
  if (said.msg === "listening") {
    url = `http://${said.addr}`;
    break;
  }
}
server.stderr.resume();

const api = async (method, path, body) => {
  const reply = await fetch(`${url}/api/v1${path}`, { method, headers: { "X-API-KEY": key, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  const text = await reply.text();
  assert.ok(reply.ok, `${method} ${path}: ${reply.status} ${text}`);
  return JSON.parse(text);
};
await api("PUT", "/entity-types", { types: [{ id: "agent", displayName: "Agent", attributionKeys: ["agentId"] }] });
for (const kind of ["input", "output"]) await api("POST", "/features", { id: kind, displayName: kind, featureType: "NUMBER", meter: { eventName: "llm", aggregation: { function: "SUM", field: `tokens.${kind}` }, filters: [] } });
await api("POST", "/customers", { id: "acme" });
await api("PUT", "/customers/acme/entities", { entities: [{ id: "bot", entityTypeId: "agent" }] });
await api("PUT", "/customers/acme/assignments", { assignments: ["input", "output"].map((featureId) => ({ entityId: "bot", featureId, usageLimit: null, cadence: "P100Y" })) });
const used = async () => (await api("GET", "/customers/acme/governance?featureIds=output")).data.find((r) => r.entityId === "bot").currentUsage;

const told = [];
diag.setLogger({ error: (...m) => told.push(m.join(" ")), warn: (...m) => told.push(m.join(" ")), info() {}, debug() {}, verbose() {} });

// trace sends one call of a model, and one of something else.
const trace = async (Exporter, options, resource, attributes) => {
  const exporter = new Exporter({ url: `${url}/v1/traces`, ...options });
  const provider = new BasicTracerProvider({ resource: resourceFromAttributes({ "service.name": "app", ...resource }), spanProcessors: [new BatchSpanProcessor(exporter)] });
  const tracer = provider.getTracer("app");
  tracer.startSpan("GET /").end();
  tracer.startSpan("chat gpt-5", { kind: SpanKind.CLIENT, attributes: { "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", ...attributes } }).end();
  await provider.forceFlush().catch((e) => told.push(String(e)));
  await provider.shutdown();
};
const usage = { "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 9 };
const mine = { "bursar.customer.id": "acme", "bursar.dimensions.agentId": "bot" };
const headers = { authorization: `Bearer ${key}` };

await trace(ProtoExporter, { headers }, mine, usage);
assert.equal(await used(), 9);
await trace(JSONExporter, { headers }, mine, usage);
assert.equal(await used(), 18);
await trace(ProtoExporter, { headers: { ...headers, "bursar-customer": "acme", "bursar-attributes": "agentId=gen_ai.agent.id" }, compression: "gzip" }, {}, { ...usage, "gen_ai.agent.id": "bot" });
assert.equal(await used(), 27);
assert.deepEqual(told, []);

await trace(ProtoExporter, { headers }, { "bursar.customer.id": "nobody" }, usage);
assert.match(told.join("\n"), /nobody/);
told.length = 0;
await trace(JSONExporter, { headers: { authorization: "Bearer bsk_wrong" } }, mine, usage);
assert.match(told.join("\n"), /Unauthorized/);
assert.equal(await used(), 27);
server.kill("SIGTERM");
console.log("OpenTelemetry's exporters: traces are counted, and what is not is told");
