import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { BudgetDenied } from "@bursar/sdk";
import { governed } from "@bursar/sdk/anthropic";
import { type Answer, client, events, json, newProvider, newServer } from "./world.js";

const server = await newServer();
const provider = await newProvider();
const ask = { model: "claude-one", max_tokens: 100, messages: [{ role: "user" as const, content: "Hi" }] };
const begun = { input_tokens: 25, cache_creation_input_tokens: 4, cache_read_input_tokens: 3, output_tokens: 1 };
const counted = { input: 25, cache_read: 3, cache_write: 4, output: 15, reasoning: 0 };
const message = { id: "m", type: "message", role: "assistant", model: "claude-one-20250929", content: [], stop_reason: null, stop_sequence: null, usage: begun };
const list: [string, unknown][] = [
  ["message_start", { type: "message_start", message }],
  ["ping", { type: "ping" }],
  ["content_block_start", { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }],
  ["content_block_delta", { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Héllo" } }],
  ["content_block_stop", { type: "content_block_stop", index: 0 }],
  ["content_block_start", { type: "content_block_start", index: 1, content_block: { type: "tool_use", id: "t", name: "usage", input: {} } }],
  ["content_block_delta", { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: `{"usage":{"output_tokens":999}}` } }],
  ["content_block_stop", { type: "content_block_stop", index: 1 }],
  ["message_delta", { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 15 } }],
  ["message_stop", { type: "message_stop" }],
];
const say: Answer = (res, asked) =>
  asked.body.stream ? events(list)(res, asked) : json({ ...message, content: [{ type: "text", text: "Hello" }], stop_reason: "end_turn", usage: { ...begun, output_tokens: 15 } })(res, asked);

const plain = () => new Anthropic({ apiKey: "sk-ant-test", baseURL: provider.url });

function start(customer: string, agentId = "rich") {
  const bursar = client(server);
  provider.asked = [];
  provider.answer = say;
  return { bursar, anthropic: governed(plain(), bursar, { customer, dimensions: { agentId } }) };
}

test("messages and streams of them", async () => {
  const acme = await server.customer("messages");
  const { bursar, anthropic } = start(acme);
  const reply = await anthropic.messages.create(ask);
  assert.deepEqual(reply.content, [{ type: "text", text: "Hello" }]);
  assert.deepEqual(provider.asked[0]?.body, ask);
  assert.deepEqual(await server.used(acme), counted);
  const [hold] = await server.holds(acme, "COMMITTED");
  assert.deepEqual([hold.dimensions.model, hold.dimensions.provider], ["claude-one", "anthropic"]);

  const got: unknown[] = [];
  for await (const event of await anthropic.messages.create({ ...ask, stream: true })) got.push(event);
  const want: unknown[] = [];
  for await (const event of await plain().messages.create({ ...ask, stream: true })) want.push(event);
  assert.deepEqual(got, want);
  assert.equal((await server.used(acme)).output, 30);

  const final = await anthropic.messages.stream(ask).finalMessage();
  const tool = final.content[1];
  assert.deepEqual([tool?.type === "tool_use" && tool.input, final.usage.output_tokens], [{ usage: { output_tokens: 999 } }, 15]);
  assert.deepEqual(await server.used(acme), { input: 75, cache_read: 9, cache_write: 12, output: 45, reasoning: 0 });
  const bytes = await (await plain().messages.create({ ...ask, stream: true }).asResponse()).text();
  assert.equal(await (await anthropic.messages.create({ ...ask, stream: true }).asResponse()).text(), bytes);
  provider.answer = json({ input_tokens: 8 });
  assert.equal((await anthropic.messages.countTokens({ model: ask.model, messages: ask.messages })).input_tokens, 8);
  assert.equal(bursar.warnings.join(), "");
});

test("a denial is BudgetDenied, and is not sent", async () => {
  const { anthropic } = start(await server.customer("denied"), "poor");
  for (const call of [() => anthropic.messages.create(ask), () => anthropic.messages.create({ ...ask, stream: true }), () => anthropic.messages.stream(ask).finalMessage()]) {
    const e: unknown = await call().then(() => assert.fail("not denied"), (e) => e);
    const denied = e instanceof BudgetDenied ? e : (e as { cause?: unknown }).cause;
    assert.ok(denied instanceof BudgetDenied && denied.binding?.entityId === "poor", String(e));
  }
  assert.equal(provider.asked.length, 0);
});

test("a stream that is left is recorded by what the provider said of its beginning, and what came", async () => {
  const acme = await server.customer("left");
  const { bursar, anthropic } = start(acme);
  provider.answer = events(list.slice(0, 7), false);
  const stream = anthropic.messages.stream(ask);
  for await (const event of stream) if (event.type === "content_block_delta" && event.index === 1) break;
  assert.equal(await bursar.flush(), 0);
  assert.deepEqual(await server.used(acme), { ...counted, output: Math.ceil((`Héllo`.length + `{"usage":{"output_tokens":999}}`.length) / 3) });
  const aborted = anthropic.messages.stream(ask);
  aborted.on("streamEvent", (event) => event.type === "content_block_stop" && aborted.abort());
  await assert.rejects(aborted.finalMessage(), Anthropic.APIUserAbortError);
  assert.equal(await bursar.flush(), 0);
  assert.equal((await server.used(acme)).input, 50);
});

test("an overloaded provider is asked again by the SDK", async () => {
  const acme = await server.customer("again");
  const { anthropic } = start(acme);
  provider.answer = (res, asked) => (provider.asked.length < 2 ? json({ type: "error", error: { type: "overloaded_error", message: "later" } }, 529) : say)(res, asked);
  await anthropic.messages.create(ask);
  assert.deepEqual(await server.used(acme), counted);
  assert.equal((await server.holds(acme, "RELEASED")).length, 1);
});
