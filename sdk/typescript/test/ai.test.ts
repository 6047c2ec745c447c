import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { BudgetDenied } from "@bursar/sdk";
import { middleware } from "@bursar/sdk/ai";
import { governedFetch } from "@bursar/sdk/fetch";
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool, wrapLanguageModel } from "ai";
import { type Answer, client, events, json, newProvider, newServer } from "./world.js";

const server = await newServer();
const provider = await newProvider();
const usage = { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29, prompt_tokens_details: { cached_tokens: 5 }, completion_tokens_details: { reasoning_tokens: 4 } };
const counted = { input: 15, cache_read: 5, cache_write: 0, output: 5, reasoning: 4 };
const completion = (message: object, finish = "stop") => ({ id: "c", object: "chat.completion", created: 1, model: "gpt-5", choices: [{ index: 0, finish_reason: finish, message: { role: "assistant", ...message } }], usage });
const chunk = (delta: object, finish: string | null = null) => ["", { id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-5", choices: [{ index: 0, delta, finish_reason: finish }] }] as [string, unknown];
const words = [chunk({ role: "assistant", content: "Hé" }), chunk({ content: "llo" })];
const chat: Answer = (res, asked) =>
  asked.body.stream ? events([...words, chunk({}, "stop"), ["", { id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-5", choices: [], usage }], ["", "[DONE]"]])(res, asked) : json(completion({ content: "Hello" }))(res, asked);

const models = (fetch?: typeof globalThis.fetch) => createOpenAI({ apiKey: "sk-test", baseURL: `${provider.url}/v1`, ...(fetch ? { fetch } : {}) });

function start(customer: string, agentId = "rich") {
  const bursar = client(server);
  provider.asked = [];
  provider.answer = chat;
  return { bursar, model: wrapLanguageModel({ model: models().chat("gpt-5"), middleware: middleware(bursar, { customer, dimensions: { agentId } }) }) };
}

test("text, at once and as a stream", async () => {
  const acme = await server.customer("text");
  const { bursar, model } = start(acme);
  const done = await generateText({ model, prompt: "Hi", maxOutputTokens: 100 });
  assert.deepEqual([done.text, done.usage.outputTokens], ["Hello", 9]);
  assert.deepEqual(await server.used(acme), counted);
  const [hold] = await server.holds(acme, "COMMITTED");
  assert.deepEqual([hold.dimensions.model, hold.dimensions.provider, hold.held.find((h: any) => h.featureId === "output").amount], ["gpt-5", "openai", 100]);

  const parts = async (from: typeof model) => {
    const list: unknown[] = [];
    for await (const part of streamText({ model: from, prompt: "Hi" }).textStream) list.push(part);
    return list;
  };
  assert.deepEqual(await parts(model), await parts(models().chat("gpt-5") as typeof model));
  assert.equal((await server.used(acme)).output, 10);
  assert.equal(bursar.warnings.join(), "");
});

test("a usage object of the SDK's own is read where there is none of the provider's", async () => {
  const acme = await server.customer("kinds");
  const { bursar } = start(acme);
  const { wrapGenerate } = middleware(bursar, { customer: acme, dimensions: { agentId: "rich" } }, { specificationVersion: "v3" });
  const own = { inputTokens: { total: 20, noCache: 13, cacheRead: 5, cacheWrite: 2 }, outputTokens: { total: 9, text: 5, reasoning: 4 } };
  await wrapGenerate({ doGenerate: async () => ({ usage: own, content: [] }), params: { prompt: [] }, model: { provider: "other.chat", modelId: "m" } });
  assert.deepEqual(await server.used(acme), { ...counted, input: 13, cache_write: 2 });
  await wrapGenerate({ doGenerate: async () => ({ usage: { inputTokens: { total: undefined } } }), params: { prompt: [] }, model: { provider: "other", modelId: "m" } });
  assert.ok(bursar.warnings.some((w) => w.startsWith("ESTIMATED: a reply has no usage")), bursar.warnings.join());
});

test("each step of an agent is governed, and may say who it is", async () => {
  const acme = await server.customer("steps");
  const { model } = start(acme, "nobody");
  const call = { tool_calls: [{ id: "t", type: "function", function: { name: "now", arguments: "{}" } }] };
  provider.answer = (res, asked) => json(asked.body.messages.length > 1 ? completion({ content: "noon" }) : completion(call, "tool_calls"))(res, asked);
  const tools = { now: tool({ inputSchema: jsonSchema({ type: "object", properties: {} }), execute: async () => "noon" }) };
  const done = await generateText({ model, prompt: "What time is it?", tools, stopWhen: stepCountIs(5), providerOptions: { bursar: { dimensions: { agentId: "rich" } } } });
  assert.deepEqual([done.text, done.steps.length], ["noon", 2]);
  assert.equal((await server.used(acme)).output, 10);
});

test("a denial is BudgetDenied, and neither sent nor asked for again", async () => {
  const acme = await server.customer("denied");
  let reserves = 0;
  const bursar = client(server, { fetch: (input, init) => (reserves++, fetch(input, init)) });
  const model = wrapLanguageModel({ model: start(acme).model && models().chat("gpt-5"), middleware: middleware(bursar, { customer: acme, dimensions: { agentId: "poor" } }) });
  await assert.rejects(generateText({ model, prompt: "Hi" }), (e) => e instanceof BudgetDenied && e.binding?.entityId === "poor");
  const errors: unknown[] = [];
  const stream = streamText({ model, prompt: "Hi", onError: ({ error }) => void errors.push(error) });
  await stream.consumeStream();
  assert.ok(errors[0] instanceof BudgetDenied, String(errors[0]));
  assert.deepEqual([reserves, provider.asked.length], [2, 0]);
});

test("what the provider fails to do, and what is left", async () => {
  const acme = await server.customer("left");
  const { bursar, model } = start(acme);
  provider.answer = (res, asked) => (provider.asked.length < 2 ? json({ error: { message: "later" } }, 503) : chat)(res, asked);
  await generateText({ model, prompt: "Hi" });
  assert.deepEqual([(await server.holds(acme, "RELEASED")).length, (await server.used(acme)).output], [1, 5]);

  provider.answer = events(words, false);
  const control = new AbortController();
  const stream = streamText({ model, prompt: "Hi", abortSignal: control.signal, onError: () => {} });
  for await (const text of stream.textStream) if (text === "llo") control.abort();
  assert.equal(await bursar.flush(), 0);
  assert.equal((await server.used(acme)).output, 5 + 2);
});

test("a provider that is given the fetch has its calls governed, and refuses as the provider does", async () => {
  const acme = await server.customer("fetched");
  const { bursar } = start(acme);
  const model = (agentId: string) => models(governedFetch(bursar, { customer: acme, dimensions: { agentId } })).chat("gpt-5");
  assert.equal((await generateText({ model: model("rich"), prompt: "Hi" })).text, "Hello");
  assert.deepEqual(await server.used(acme), counted);
  const e: unknown = await generateText({ model: model("poor"), prompt: "Hi" }).catch((e) => e);
  assert.ok(APICallError.isInstance(e) && e.statusCode === 402 && !e.isRetryable, String(e));
  assert.equal(JSON.parse(e.responseBody ?? "").error.bursar.binding.entityId, "poor");
  assert.equal(provider.asked.length, 1);
});
