import assert from "node:assert/strict";
import { test } from "node:test";
import { BudgetDenied, BursarError, type Call, type Hold } from "@bursar/sdk";
import { governed } from "@bursar/sdk/openai";
import OpenAI from "openai";
import { type Answer, client, events, eventually, json, newProvider, newServer, nowhere } from "./world.js";

const server = await newServer();
const provider = await newProvider();
const usage = { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29, prompt_tokens_details: { cached_tokens: 5 } };
const counted = { input: 15, cache_read: 5, cache_write: 0, output: 9, reasoning: 0 };
const ask = { model: "gpt-5", max_completion_tokens: 100, messages: [{ role: "user" as const, content: "Hi" }] };

const plain = () => new OpenAI({ apiKey: "sk-test", baseURL: `${provider.url}/v1` });

function start(customer: string, agentId = "rich", more: Partial<Call> = {}) {
  const bursar = client(server);
  provider.asked = [];
  return { bursar, openai: governed(plain(), bursar, { customer, dimensions: { agentId }, ...more }) };
}

const completion = (model = "gpt-5") => ({ id: "c", object: "chat.completion", model, choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello" } }], usage });
const pieces = [{ role: "assistant", content: `Hé said "usage":null, {` }, { content: "lo" }, { tool_calls: [{ index: 0, id: "t", type: "function", function: { name: "f", arguments: `{"usage":1}` } }] }];
const chunk = (delta: object, withUsage: boolean, finish: string | null = null) => ["", { id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-5", choices: [{ index: 0, delta, finish_reason: finish }], ...(withUsage ? { usage: null } : {}) }] as [string, unknown];

/** Chats as OpenAI does: in a stream there is usage where it is asked for. */
const chat: Answer = (res, asked) => {
  if (!asked.body.stream) return json(completion())(res, asked);
  const wants = asked.body.stream_options?.include_usage === true;
  return events([
    ...pieces.map((delta) => chunk(delta, wants)),
    chunk({}, wants, "tool_calls"),
    ...(wants ? [["", { id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-5", choices: [], usage }] as [string, unknown]] : []),
    ["", "[DONE]"],
  ])(res, asked);
};

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const one of stream) list.push(one);
  return list;
}

test("a chat", async () => {
  provider.answer = chat;
  const acme = await server.customer("chat");
  const { bursar, openai } = start(acme, "watched");
  const { data, response } = await openai.chat.completions.create(ask).withResponse();
  assert.equal(data.choices[0]?.message.content, "Hello");
  assert.deepEqual(provider.asked[0]?.body, ask, "it was sent as it is");
  assert.ok(!JSON.stringify(provider.asked[0]?.headers).includes("bursar"));
  assert.deepEqual(await server.used(acme, "watched"), counted);
  assert.deepEqual([response.headers.get("bursar-remaining"), response.headers.get("bursar-advice"), response.headers.get("bursar-governed")], ["900", "ok", "true"]);
  const [hold] = await server.holds(acme, "COMMITTED");
  assert.equal(response.headers.get("bursar-call"), hold.id);
  assert.deepEqual([hold.dimensions.provider, hold.dimensions.model], ["openai", "gpt-5"]);
  assert.equal(bursar.warnings.join(), "");
});

test("a stream arrives as the provider sends it without us, and is recorded", async () => {
  provider.answer = chat;
  const acme = await server.customer("streams");
  const { bursar, openai } = start(acme);
  const want = await all(await plain().chat.completions.create({ ...ask, stream: true }));
  assert.equal(want.length, 4);
  assert.deepEqual(await all(await openai.chat.completions.create({ ...ask, stream: true })), want);
  assert.deepEqual(provider.asked[1]?.body, { ...ask, stream: true, stream_options: { include_usage: true } });
  assert.deepEqual(await server.used(acme), counted);

  const bytes = await (await plain().chat.completions.create({ ...ask, stream: true }).asResponse()).text();
  assert.equal(await (await openai.chat.completions.create({ ...ask, stream: true }).asResponse()).text(), bytes);

  const own = { ...ask, stream: true as const, stream_options: { include_usage: true } };
  const asked = await all(await openai.chat.completions.create(own));
  assert.deepEqual(asked, await all(await plain().chat.completions.create(own)));
  assert.equal(asked.at(-1)?.usage?.completion_tokens, 9);
  assert.equal((await server.used(acme)).output, 27);

  const final = await openai.chat.completions.stream(ask).finalChatCompletion();
  assert.equal(final.choices[0]?.message.content, `Hé said "usage":null, {lo`);
  assert.equal((await server.used(acme)).output, 36);
  assert.equal(bursar.warnings.join(), "");
});

test("tools that the SDK runs: each call is governed", async () => {
  const acme = await server.customer("tools");
  const { openai } = start(acme);
  provider.answer = (res, asked) =>
    json(asked.body.messages.length > 1 ? completion() : { ...completion(), choices: [{ index: 0, finish_reason: "tool_calls", message: { role: "assistant", content: null, tool_calls: [{ id: "t", type: "function", function: { name: "now", arguments: "{}" } }] } }] })(res, asked);
  const now = { type: "function" as const, function: { name: "now", description: "the time", parameters: {}, function: () => "noon" } };
  assert.equal(await openai.chat.completions.runTools({ ...ask, tools: [now] }).finalContent(), "Hello");
  assert.equal(provider.asked.length, 2);
  assert.equal((await server.used(acme)).output, 18);
});

test("responses and embeddings", async () => {
  const acme = await server.customer("responses");
  const { bursar, openai } = start(acme);
  const used = { input_tokens: 11, output_tokens: 6, output_tokens_details: { reasoning_tokens: 2 }, total_tokens: 17 };
  const response = { id: "r", object: "response", status: "completed", model: "gpt-5", output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi", annotations: [] }] }], usage: used };
  provider.answer = json(response);
  assert.equal((await openai.responses.create({ model: "gpt-5", input: "Hi", max_output_tokens: 50 })).output_text, "Hi");
  assert.deepEqual(await server.used(acme), { input: 11, cache_read: 0, cache_write: 0, output: 4, reasoning: 2 });
  assert.equal((await server.holds(acme, "COMMITTED"))[0].held.find((h: any) => h.featureId === "output").amount, 50);

  const list: [string, unknown][] = [
    ["response.created", { type: "response.created", response: { ...response, status: "in_progress", usage: null } }],
    ["response.output_text.delta", { type: "response.output_text.delta", delta: "usage" }],
    ["response.completed", { type: "response.completed", response }],
  ];
  provider.answer = events(list);
  assert.deepEqual(await all(await openai.responses.create({ model: "gpt-5", input: "Hi", stream: true })), list.map(([, value]) => value));
  assert.equal((await server.used(acme)).output, 8);

  provider.answer = json({ object: "list", data: [{ object: "embedding", index: 0, embedding: [0.5] }], model: "e", usage: { prompt_tokens: 4, total_tokens: 4 } });
  assert.equal((await openai.embeddings.create({ model: "e", input: "Hi", encoding_format: "float" })).data[0]?.embedding[0], 0.5);
  assert.deepEqual(await server.used(acme), { input: 26, cache_read: 0, cache_write: 0, output: 8, reasoning: 4 });
  assert.equal(bursar.warnings.join(), "");
});

test("a denial is BudgetDenied, and neither sent nor asked for again", async () => {
  provider.answer = chat;
  const acme = await server.customer("poor");
  let reserves = 0;
  const bursar = client(server, { fetch: (input, init) => (reserves++, fetch(input, init)) });
  provider.asked = [];
  const openai = governed(plain(), bursar, { customer: acme, dimensions: { agentId: "poor" } });
  for (const [i, call] of [
    () => openai.chat.completions.create(ask),
    () => openai.chat.completions.create({ ...ask, stream: true }),
    () => openai.chat.completions.stream(ask).finalMessage(),
    () => openai.withOptions({ maxRetries: 5 }).chat.completions.create(ask),
    () => openai.responses.create({ model: "gpt-5", input: "Hi" }),
  ].entries()) {
    const e: unknown = await call().then(() => assert.fail("not denied"), (e) => e);
    const denied = e instanceof BudgetDenied ? e : (e as { cause?: unknown }).cause; // streams' helper wraps what it is thrown
    assert.ok(denied instanceof BudgetDenied, `${i}: ${e}`);
    assert.deepEqual([denied.status, denied.binding?.entityId, denied.remaining], [402, "poor", 10]);
    assert.equal(reserves, i + 1);
  }
  assert.equal(provider.asked.length, 0);
});

test("what the provider fails to do is sent again by the SDK, and counted once", async () => {
  const acme = await server.customer("again");
  const { openai } = start(acme);
  provider.answer = (res, asked) => (provider.asked.length < 3 ? json({ error: { message: "try again" } }, 500) : chat)(res, asked);
  assert.equal((await openai.chat.completions.create(ask)).choices[0]?.message.content, "Hello");
  assert.equal((await server.used(acme)).output, 9);
  assert.deepEqual([(await server.holds(acme, "RELEASED")).length, (await server.holds(acme, "COMMITTED")).length], [2, 1]);
  provider.answer = json({ error: { message: "no such model", code: "model_not_found" } }, 404);
  await assert.rejects(openai.chat.completions.create(ask), OpenAI.NotFoundError);
  assert.equal((await server.holds(acme, "RELEASED")).length, 3);
});

test("a stream that is left, or breaks off, is recorded by what came of it", async () => {
  const acme = await server.customer("left");
  const { bursar, openai } = start(acme);
  provider.answer = events(pieces.slice(0, 2).map((delta) => chunk(delta, false)), false);
  const stream = await openai.chat.completions.create({ ...ask, stream: true });
  for await (const c of stream) if (c.choices[0]?.delta.content === "lo") break;
  assert.equal(await bursar.flush(), 0);
  const said = `Hé said "usage":null, {lo`.length;
  assert.equal((await server.used(acme)).output, Math.ceil(said / 3));
  const { series } = await bursar.usageOf(acme, { featureId: "output", startDate: new Date(Date.now() - 3_600_000).toISOString(), groupBy: ["estimated"] });
  assert.deepEqual(series.map((s) => s.tags[0]?.value), ["true"]);
  assert.ok(bursar.warnings.some((w) => w.startsWith("ESTIMATED")));

  const control = new AbortController();
  const aborted = await openai.chat.completions.create({ ...ask, stream: true }, { signal: control.signal });
  const reader = aborted[Symbol.asyncIterator]();
  await reader.next();
  control.abort(); // and nobody reads on
  await eventually(() => server.holds(acme, "COMMITTED"), (list) => list.length === 2);

  let breakOff = () => {};
  provider.answer = async (res, asked) => {
    breakOff = () => res.destroy();
    await events([...pieces.map((delta) => chunk(delta, true)), ["", { choices: [], usage }]], false)(res, asked);
  };
  const before = (await server.used(acme)).output;
  await assert.rejects(async () => {
    for await (const c of await openai.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) if (c.usage) breakOff();
  });
  await bursar.flush();
  assert.equal((await server.used(acme)).output, before + 9, "its usage had come");

  provider.answer = (res) => void res.destroy(); // sent, and no reply
  await assert.rejects(openai.chat.completions.create(ask, { maxRetries: 0 }), OpenAI.APIConnectionError);
  await eventually(() => server.used(acme), (used) => used.output === before + 9 + 100);
});

test("a stream that is left when all was said is recorded by its usage, which comes last", async () => {
  const acme = await server.customer("finished");
  const { bursar, openai } = start(acme);
  let last = () => {};
  provider.answer = async (res, asked) => {
    last = () => void events([["", { choices: [], usage }], ["", "[DONE]"]])(Object.assign(res, { writeHead: () => res }), asked);
    await events([...pieces.map((delta) => chunk(delta, true)), chunk({}, true, "stop")], false)(res, asked);
  };
  for await (const c of await openai.chat.completions.create({ ...ask, stream: true })) {
    if (!c.choices[0]?.finish_reason) continue;
    last();
    break;
  }
  assert.equal(await bursar.flush(), 0);
  assert.equal((await server.used(acme)).output, 9);
  assert.equal(bursar.warnings.join(), "");
});

test("a stream that was left before anything came, or as is wanted, is recorded by what was held", async () => {
  const acme = await server.customer("held");
  const { openai } = start(acme);
  const control = new AbortController();
  provider.answer = () => control.abort();
  await assert.rejects(openai.chat.completions.create({ ...ask, stream: true }, { signal: control.signal }));
  await eventually(() => server.used(acme), (used) => used.output === 100);
  const careful = governed(plain(), client(server), { customer: acme, dimensions: { agentId: "rich" } }, { broken: "held" });
  provider.answer = events(pieces.map((delta) => chunk(delta, false)), false);
  for await (const _ of await careful.chat.completions.create({ ...ask, stream: true })) break;
  await eventually(() => server.used(acme), (used) => used.output === 200);
});

test("what a call may use is held: choices, inputs, learned output, the caller of the moment", async () => {
  const acme = await server.customer("sizes");
  const bursar = client(server);
  let agentId = "rich";
  let learned: unknown;
  const onHold = (hold: Hold) => (learned = hold.reservation?.learned?.quantile);
  const openai = governed(plain(), bursar, () => ({ customer: acme, dimensions: { agentId }, maxTokens: 300, hold: "p95", onHold }));
  const held = async (call: () => Promise<unknown>) => {
    let found: any;
    provider.answer = async (res, asked) => {
      [found] = await server.holds(acme, "OPEN");
      await json(completion())(res, asked);
    };
    await call();
    return found;
  };
  const output = (r: any) => r.held.find((h: any) => h.featureId === "output").amount;
  assert.equal(output(await held(() => openai.chat.completions.create({ ...ask, n: 3 }))), 300);
  const { max_completion_tokens: _, ...unbounded } = ask;
  assert.deepEqual([output(await held(() => openai.chat.completions.create(unbounded))), learned], [300, "p95"]);
  agentId = "watched";
  const image = { type: "image_url" as const, image_url: { url: `data:image/png;base64,${"A".repeat(100_000)}` } };
  const pictured = await held(() => openai.chat.completions.create({ ...ask, messages: [{ role: "user", content: [image, { type: "text", text: "x".repeat(3000) }] }] }));
  assert.ok(pictured.tokens.input >= 2500 && pictured.tokens.input < 2600, String(pictured.tokens.input));
  assert.equal((await server.used(acme, "watched")).output, 9);
});

test("what is not governed passes, and is told where it may cost", async () => {
  const acme = await server.customer("passes");
  const { bursar, openai } = start(acme);
  provider.answer = json({ object: "list", data: [] });
  await openai.models.list();
  assert.equal(bursar.warnings.join(), "");
  provider.answer = json({ id: "b" });
  await openai.batches.create({ input_file_id: "f", endpoint: "/v1/chat/completions", completion_window: "24h" });
  assert.equal(bursar.warnings.join(), "NOT_GOVERNED: POST /v1/batches is no call whose use is known");
  provider.answer = (res) => void res.writeHead(200, { "content-type": "audio/mpeg" }).end(Buffer.from([1, 2, 3]));
  const speech = await openai.audio.speech.create({ model: "tts", voice: "alloy", input: "Hello" });
  assert.deepEqual([...new Uint8Array(await speech.arrayBuffer())], [1, 2, 3]);
  assert.ok(bursar.warnings.at(-1)?.startsWith("ESTIMATED: a reply has no usage"));
});

test("while Bursar is away calls fail at once, or go on", async () => {
  provider.answer = chat;
  provider.asked = [];
  const away = { url: await nowhere(), retries: 0 };
  const call = { customer: "c", dimensions: {} };
  await assert.rejects(governed(plain(), client(server, away), call).chat.completions.create(ask), (e) => e instanceof BursarError && e.code === "Unavailable");
  assert.equal(provider.asked.length, 0);
  const bursar = client(server, { ...away, unavailable: "allow" });
  const { data, response } = await governed(plain(), bursar, call).chat.completions.create(ask).withResponse();
  assert.deepEqual([data.choices[0]?.message.content, response.headers.get("bursar-governed"), bursar.pending], ["Hello", "false", 1]);
});
