// Providers' SDKs call a played provider through a real gateway: replies, streams and tools
// arrive as they were sent, what was used is recorded, and a denial is the SDK's own error,
// which it does not send again.
//
//   node sdks.mjs BURSAR GO_PROGRAM
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [bursar, goProgram] = process.argv.slice(2);
const key = "0123456789abcdef";
const usage = { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29, prompt_tokens_details: { cached_tokens: 5 } };

// The provider: what each path answers, and how often it fails first.
let failures = 0;
let calls = 0;
const provider = createServer((req, res) => {
  let body = "";
  req.on("data", (b) => (body += b));
  req.on("end", () => {
    calls++;
    assert.ok(!JSON.stringify(req.headers).includes("bursar"), "the provider saw a header of Bursar");
    if (failures > 0) {
      failures--;
      res.writeHead(500, { "content-type": "application/json" }).end(`{"error":{"message":"try again"}}`);
      return;
    }
    const ask = JSON.parse(body);
    const json = (v) => res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(v));
    const events = (list) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      for (const [name, v] of list) res.write((name ? `event: ${name}\n` : "") + `data: ${typeof v === "string" ? v : JSON.stringify(v)}\n\n`);
      res.end();
    };
    if (req.url === "/v1/embeddings") return json({ object: "list", data: [{ object: "embedding", index: 0, embedding: [0.5] }], model: ask.model, usage: { prompt_tokens: 4, total_tokens: 4 } });
    if (req.url === "/v1/responses") return json({ id: "r", object: "response", status: "completed", model: ask.model, output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi", annotations: [] }] }], usage: { input_tokens: 10, output_tokens: 3, total_tokens: 13 } });
    if (req.url === "/v1/chat/completions") {
      if (!ask.stream) return json({ id: "c", object: "chat.completion", model: ask.model, choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello" } }], usage });
      const wants = ask.stream_options?.include_usage;
      const chunk = (delta, finish_reason = null) => ["", { id: "c", object: "chat.completion.chunk", model: ask.model, choices: [{ index: 0, delta, finish_reason }], ...(wants ? { usage: null } : {}) }];
      return events([
        chunk({ role: "assistant", content: "Hel" }), chunk({ content: "lo" }),
        chunk({ tool_calls: [{ index: 0, id: "t", type: "function", function: { name: "f", arguments: `{"usage":1}` } }] }), chunk({}, "tool_calls"),
        ...(wants ? [["", { id: "c", object: "chat.completion.chunk", model: ask.model, choices: [], usage }]] : []), ["", "[DONE]"],
      ]);
    }
    const message = { id: "m", type: "message", role: "assistant", model: ask.model, content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 25, output_tokens: 1 } };
    if (!ask.stream) return json({ ...message, content: [{ type: "text", text: "Hello" }], stop_reason: "end_turn", usage: { input_tokens: 25, output_tokens: 15 } });
    return events([
      ["message_start", { type: "message_start", message }],
      ["content_block_start", { type: "content_block_start", index: 0, content_block: { type: "tool_use", id: "t", name: "f", input: {} } }],
      ["content_block_delta", { type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: `{"usage":1}` } }],
      ["content_block_stop", { type: "content_block_stop", index: 0 }],
      ["message_delta", { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 15 } }],
      ["message_stop", { type: "message_stop" }],
    ]);
  });
});
await new Promise((ok) => provider.listen(0, "127.0.0.1", ok));
const upstream = `http://127.0.0.1:${provider.address().port}`;

// The server with its gateway.
const data = mkdtempSync(join(tmpdir(), "bursar-sdks-"));
const config = join(data, "gateway.json");
writeFileSync(config, JSON.stringify({
  upstreams: [{ name: "openai", kind: "openai", baseUrl: `${upstream}/v1` }, { name: "anthropic", kind: "anthropic", baseUrl: upstream }],
  customer: "acme",
}));
const server = spawn(bursar, ["serve", "--listen", "127.0.0.1:0", "--data", join(data, "data"), "--gateway-listen", "127.0.0.1:0", "--gateway-config", config, "--metrics-listen", "127.0.0.1:0"],
  { env: { ...process.env, BURSAR_ADMIN_KEY: key }, stdio: ["ignore", "inherit", "pipe"] });
process.on("exit", () => server.kill("SIGKILL"));
const at = {};
for await (const line of createInterface({ input: server.stderr })) {
  const said = JSON.parse(line);
  if (said.addr) at[said.msg] = said.addr;
  if (said.msg === "listening") break;
}
server.stderr.resume();

const api = async (method, path, body) => {
  const reply = await fetch(`http://${at.listening}/api/v1${path}`, { method, headers: { "X-API-KEY": key, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  const text = await reply.text();
  assert.ok(reply.ok, `${method} ${path}: ${reply.status} ${text}`);
  return JSON.parse(text);
};
await api("PUT", "/entity-types", { types: [{ id: "agent", displayName: "Agent", attributionKeys: ["agentId"] }] });
for (const kind of ["input", "output"]) await api("POST", "/features", { id: kind, displayName: kind, featureType: "NUMBER", meter: { eventName: "llm", aggregation: { function: "SUM", field: `tokens.${kind}` }, filters: [] } });
await api("POST", "/customers", { id: "acme" });
await api("PUT", "/customers/acme/entities", { entities: [{ id: "free", entityTypeId: "agent" }, { id: "poor", entityTypeId: "agent" }] });
await api("PUT", "/customers/acme/assignments", { assignments: [
  { entityId: "free", featureId: "output", usageLimit: null, cadence: "P100Y" }, { entityId: "poor", featureId: "output", usageLimit: 10, cadence: "P100Y" }] });
const used = async () => (await api("GET", "/customers/acme/governance?featureIds=output")).data.find((r) => r.entityId === "free").currentUsage;
const eventually = async (want) => {
  for (let i = 0; i < 500 && (await used()) !== want; i++) await new Promise((ok) => setTimeout(ok, 10));
  assert.equal(await used(), want);
};
const outcomes = async (outcome) => {
  const text = await (await fetch(`http://${at["metrics listening"]}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^bursar_gateway_calls_total\\{outcome="${outcome}".*\\} (\\d+)$`, "gm"))].reduce((n, m) => n + Number(m[1]), 0);
};

const as = (agent) => ({ apiKey: key, defaultHeaders: { "bursar-dimensions": `agentId=${agent}` } });
const openai = (agent) => new OpenAI({ ...as(agent), baseURL: `http://${at["gateway listening"]}/v1` });
const anthropic = (agent) => new Anthropic({ ...as(agent), baseURL: `http://${at["gateway listening"]}` });
const ask = { model: "gpt-5", max_completion_tokens: 100, messages: [{ role: "user", content: "Hi" }] };
const say = { model: "claude", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] };

// OpenAI
assert.equal((await openai("free").chat.completions.create(ask)).choices[0].message.content, "Hello");
await eventually(9);
let text = "", tool = "", chunks = 0, told = 0;
for await (const c of await openai("free").chat.completions.create({ ...ask, stream: true })) {
  chunks++;
  assert.ok(!("usage" in c), "a trace of usage that was not asked for");
  text += c.choices[0].delta.content ?? "";
  tool += c.choices[0].delta.tool_calls?.[0].function.arguments ?? "";
}
assert.deepEqual([text, tool, chunks], ["Hello", `{"usage":1}`, 4]);
await eventually(18);
for await (const c of await openai("free").chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) told += c.usage?.completion_tokens ?? 0;
assert.equal(told, 9);
await eventually(27);
assert.equal((await openai("free").responses.create({ model: "gpt-5", input: "Hi", max_output_tokens: 50 })).output_text, "Hi");
await eventually(30);
assert.equal((await openai("free").embeddings.create({ model: "e", input: "Hi", encoding_format: "float" })).data[0].embedding[0], 0.5);

// Anthropic
assert.equal((await anthropic("free").messages.create(say)).content[0].text, "Hello");
await eventually(45);
const last = await anthropic("free").messages.stream(say).finalMessage();
assert.deepEqual([last.content[0].input, last.usage.output_tokens], [{ usage: 1 }, 15]);
await eventually(60);

// What the provider fails to do is sent again by the SDK, and counted once.
failures = 2;
assert.equal((await openai("free").chat.completions.create(ask)).choices[0].message.content, "Hello");
await eventually(69);

// Denials
const reached = calls;
for (const [call, own, type] of [
  [() => openai("poor").chat.completions.create(ask), OpenAI.APIError, "insufficient_quota"],
  [() => openai("poor").chat.completions.create({ ...ask, stream: true }), OpenAI.APIError, "insufficient_quota"],
  [() => anthropic("poor").messages.create(say), Anthropic.APIError, "billing_error"],
]) {
  const before = await outcomes("denied");
  const e = await call().then(() => assert.fail("not denied"), (e) => e);
  assert.ok(e instanceof own, String(e));
  const inner = own === OpenAI.APIError ? e.error : e.error.error;
  assert.deepEqual([e.status, inner.type, inner.bursar.binding.entityId, inner.bursar.binding.remaining], [402, type, "poor", 10]);
  assert.equal(await outcomes("denied"), before + 1, "it was sent again");
}
assert.equal(calls, reached, "a denied call reached the provider");
console.log("the SDKs of OpenAI and Anthropic for JavaScript call through the gateway");

if (goProgram) {
  const before = await outcomes("denied");
  const { stdout } = await promisify(execFile)(goProgram, { env: { ...process.env, GATEWAY: `http://${at["gateway listening"]}`, KEY: key } });
  assert.equal(stdout.trim(), "ok");
  await eventually(69 + 9 + 9 + 15 + 15);
  assert.equal(await outcomes("denied"), before + 2, "it was sent again");
  assert.equal(calls, reached + 4);
  console.log("those for Go do, too");
}
server.kill("SIGTERM");
await new Promise((ok) => server.once("exit", ok));
provider.closeAllConnections();
provider.close();
