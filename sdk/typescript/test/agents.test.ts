// Agents of other frameworks: LangChain's, by its middleware, and OpenAI's, by a governed client.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BudgetDenied } from "@bursar/sdk";
import { budget } from "@bursar/sdk/langchain";
import { governed } from "@bursar/sdk/openai";
import { FakeListChatModel } from "@langchain/core/utils/testing";
import { ChatOpenAI } from "@langchain/openai";
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool as agentTool } from "@openai/agents";
import { createAgent, createMiddleware, tool } from "langchain";
import OpenAI from "openai";
import { type Answer, client, eventually, events, json, newProvider, newServer } from "./world.js";

setTracingDisabled(true);
const server = await newServer();
const provider = await newProvider();
const usage = { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29, prompt_tokens_details: { cached_tokens: 5 }, completion_tokens_details: { reasoning_tokens: 4 } };
const completion = (message: object, finish = "stop") => ({ id: "c", object: "chat.completion", created: 1, model: "gpt-5", choices: [{ index: 0, finish_reason: finish, message: { role: "assistant", ...message } }], usage });
const asks = { content: "", tool_calls: [{ id: "t", type: "function", function: { name: "now", arguments: "{}" } }] };
const chunk = (delta: object, finish: string | null = null) => ["", { id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-5", choices: [{ index: 0, delta, finish_reason: finish }] }] as [string, unknown];
const streamed = events([chunk({ role: "assistant", content: "no" }), chunk({ content: "on" }), chunk({}, "stop"), ["", { id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-5", choices: [], usage }], ["", "[DONE]"]]);
const steps: Answer = (res, asked) => json(asked.body.messages.some((m: any) => m.role === "tool") ? completion({ content: "noon" }) : completion(asks, "tool_calls"))(res, asked);
const twice = { input: 30, cache_read: 10, cache_write: 0, output: 10, reasoning: 8 };

function start(answer: Answer = steps) {
  provider.asked = [];
  provider.answer = answer;
  return client(server);
}

const model = (fields: object = {}) => new ChatOpenAI({ model: "gpt-5", apiKey: "sk-test", maxTokens: 100, maxRetries: 1, useResponsesApi: false, configuration: { baseURL: `${provider.url}/v1` }, ...fields });
const now = tool(() => "noon", { name: "now", description: "What time it is.", schema: { type: "object", properties: {} } });
const asking = { messages: [{ role: "user", content: "What time is it?" }] };

test("each step of an agent of LangChain is governed", async () => {
  const acme = await server.customer("chain");
  const bursar = start();
  const agent = createAgent({ model: model(), tools: [now], middleware: [createMiddleware(budget(bursar, () => ({ customer: acme, dimensions: { agentId: "rich" } })))] });
  const done = await agent.invoke(asking);
  assert.equal(done.messages.at(-1)?.content, "noon");
  assert.deepEqual(await server.used(acme), twice);
  const holds = await server.holds(acme, "COMMITTED");
  assert.deepEqual(holds.map((h: any) => [h.dimensions.model, h.dimensions.provider, h.held.find((h: any) => h.featureId === "output").amount]), [["gpt-5", "openai", 100], ["gpt-5", "openai", 100]]);
  assert.deepEqual(bursar.warnings, []);
});

test("an agent of LangChain whose words are streamed is counted once", async () => {
  const acme = await server.customer("words");
  const bursar = start(streamed);
  const agent = createAgent({ model: model(), tools: [], middleware: [createMiddleware(budget(bursar, { customer: acme, dimensions: { agentId: "rich" } }))] });
  let words = "";
  for await (const [message] of await agent.stream(asking, { streamMode: "messages" })) words += message.content;
  assert.equal(words, "noon");
  assert.equal(provider.asked[0]?.body.stream, true);
  assert.deepEqual([await server.used(acme), bursar.warnings], [{ input: 15, cache_read: 5, cache_write: 0, output: 5, reasoning: 4 }, []]);
});

test("a denial stops an agent of LangChain as BudgetDenied, before anything is sent", async () => {
  const acme = await server.customer("stopped");
  const bursar = start();
  const agent = createAgent({ model: model({ maxRetries: 6 }), tools: [now], middleware: [createMiddleware(budget(bursar, { customer: acme, dimensions: { agentId: "poor" } }))] });
  const e: any = await agent.invoke(asking).catch((e: unknown) => e);
  const denied = e instanceof BudgetDenied ? e : e.cause;
  assert.ok(denied instanceof BudgetDenied && denied.binding?.entityId === "poor", String(e));
  assert.equal(provider.asked.length, 0);
});

test("what a provider refuses to an agent of LangChain is released, and a model without usage is an estimate", async () => {
  const acme = await server.customer("refused");
  const bursar = start((res, asked) => json({ error: { message: "no such model", code: "model_not_found" } }, 404)(res, asked));
  const middleware = [createMiddleware(budget(bursar, { customer: acme, dimensions: { agentId: "rich" }, maxTokens: 50, ttlSeconds: 1 }))];
  await assert.rejects(createAgent({ model: model(), tools: [], middleware }).invoke(asking));
  assert.deepEqual([(await server.holds(acme, "RELEASED")).length, (await server.used(acme)).output], [1, 0]);

  const fake = new FakeListChatModel({ responses: ["noon"] });
  assert.equal((await createAgent({ model: fake, tools: [], middleware }).invoke(asking)).messages.at(-1)?.content, "noon");
  assert.ok(bursar.warnings.some((w) => w.startsWith("ESTIMATED: a reply has no usage")), bursar.warnings.join());
  const [estimate] = await eventually(() => server.holds(acme, "EXPIRED"), (list) => list.length === 1);
  assert.deepEqual([estimate.estimated, estimate.dimensions.provider, (await server.used(acme)).output], [true, "fake-list", 50]);
});

test("each step of an agent of OpenAI's is governed by the client that it is given", async () => {
  const acme = await server.customer("openai-agents");
  const bursar = start();
  const openAIClient = governed(new OpenAI({ apiKey: "sk-test", baseURL: `${provider.url}/v1` }), bursar, { customer: acme, dimensions: { agentId: "rich" } });
  const runner = (openAIClient: OpenAI) => new Runner({ modelProvider: new OpenAIProvider({ openAIClient, useResponses: false }) });
  const agent = new Agent({ name: "clock", model: "gpt-5", tools: [agentTool({ name: "now", description: "What time it is.", parameters: { type: "object", properties: {}, required: [], additionalProperties: false }, strict: true, execute: async () => "noon" })] });
  assert.equal((await runner(openAIClient).run(agent, "What time is it?")).finalOutput, "noon");
  assert.deepEqual(await server.used(acme), twice);

  const poor = governed(new OpenAI({ apiKey: "sk-test", baseURL: `${provider.url}/v1` }), bursar, { customer: acme, dimensions: { agentId: "poor" } });
  provider.asked = [];
  await assert.rejects(runner(poor).run(agent, "What time is it?"), (e) => e instanceof BudgetDenied && e.binding?.entityId === "poor");
  assert.equal(provider.asked.length, 0);
});
