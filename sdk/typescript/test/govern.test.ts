import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { BudgetDenied, BursarError, type Hold } from "@bursar/sdk";
import { client, eventually, newServer, nowhere } from "./world.js";

const server = await newServer();
const reply = { model: "gpt-5-2025-08-07", usage: { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29, prompt_tokens_details: { cached_tokens: 5 }, completion_tokens_details: { reasoning_tokens: 4 } } };
const callOf = (customer: string, agentId = "rich") => ({ customer, dimensions: { agentId }, model: "gpt-5", input: [{ role: "user", content: "Hello" }], maxTokens: 100 });

test("a call is held, run and recorded by the usage of its reply", async () => {
  const bursar = client(server);
  const acme = await server.customer("governed");
  let held = 0;
  const ends: Hold[] = [];
  const got = await bursar.govern({ ...callOf(acme, "watched"), onEnd: (hold) => ends.push(hold) }, async (hold) => {
    held = (await bursar.reservation(acme, hold.id ?? "")).tokens?.output ?? 0;
    assert.deepEqual([hold.remaining, hold.advice], [900, "ok"]);
    return reply;
  });
  assert.equal(got, reply);
  assert.equal(held, 100);
  assert.deepEqual(await server.used(acme, "watched"), { input: 15, cache_read: 5, cache_write: 0, output: 5, reasoning: 4 });
  assert.equal(ends[0]?.reservation?.status, "COMMITTED");
  assert.equal((await server.holds(acme, "COMMITTED"))[0].dimensions.model, "gpt-5", "a dated model is the one that was asked for");
  assert.equal(bursar.warnings.join(), "");
});

test("advice follows the tightest limit", async () => {
  const bursar = client(server);
  const acme = await server.customer("advice");
  for (const [use, advice] of [[700, "ok"], [50, "wind_down"], [150, "stop"]] as const) {
    await bursar.events([{ customerId: acme, eventName: "llm", dimensions: { agentId: "watched" }, usage: { output_tokens: use } }]);
    const hold = await bursar.hold({ ...callOf(acme, "watched"), maxTokens: 50 });
    assert.equal(hold.advice, advice);
    await hold.release();
  }
});

test("a denial comes before the call", async () => {
  const acme = await server.customer("denied");
  const e: unknown = await client(server).govern(callOf(acme, "poor"), () => assert.fail("it was run")).catch((e) => e);
  assert.ok(e instanceof BudgetDenied && e.binding?.entityId === "poor" && e.remaining === 10, String(e));
  assert.deepEqual(await server.holds(acme, "OPEN"), []);
});

test("how a call fails decides what is recorded", async () => {
  const bursar = client(server);
  const acme = await server.customer("failed");
  const failed = OpenAI.APIError.generate(529, {}, "the provider is overloaded", new Headers());
  const away = await nowhere();
  await assert.rejects(bursar.govern(callOf(acme), () => Promise.reject(failed)), (e) => e === failed);
  await assert.rejects(bursar.govern(callOf(acme), () => new OpenAI({ apiKey: "k", baseURL: away, maxRetries: 0 }).models.list()));
  assert.equal((await server.holds(acme, "RELEASED")).length, 2);
  assert.equal(bursar.warnings.join(), "");

  // What fails after the call is no word of the provider's.
  const lost = new Error("the connection broke off");
  const mine = Object.assign(new Error("the answer is not what was asked for"), { status: 422 });
  const denied: unknown = await bursar.hold(callOf(acme, "poor")).catch((e) => e);
  assert.ok(denied instanceof BudgetDenied);
  for (const e of [lost, mine, denied]) await assert.rejects(bursar.govern(callOf(acme), () => Promise.reject(e)), (got) => got === e);
  await assert.rejects(bursar.govern(callOf(acme), () => fetch(away)));
  await bursar.govern(callOf(acme), () => ({ text: "no usage in it" }));
  assert.deepEqual(bursar.warnings.map((w) => w.split(":")[0]), Array(5).fill("ESTIMATED"));
  const estimates = await eventually(() => server.holds(acme, "EXPIRED"), (list) => list.length === 5);
  assert.ok(estimates.every((r) => r.estimated));
  assert.equal((await server.used(acme)).output, 500);
  await assert.rejects(bursar.govern({ ...callOf(acme), unbilled: (e) => e === mine }, () => Promise.reject(mine)));
  assert.equal((await server.holds(acme, "RELEASED")).length, 3);
});

test("what is recorded by hand is not recorded again", async () => {
  const bursar = client(server);
  const acme = await server.customer("byhand");
  await bursar.govern(callOf(acme), async (hold) => {
    await hold.commit({ input_tokens: 3, output_tokens: 2 }, { model: "gpt-5-mini" });
    return reply;
  });
  await assert.rejects(bursar.govern(callOf(acme), async (hold) => {
    await hold.release();
    throw new Error("on second thoughts");
  }));
  assert.deepEqual(await server.used(acme), { input: 3, cache_read: 0, cache_write: 0, output: 2, reasoning: 0 });
  assert.equal((await server.holds(acme, "COMMITTED"))[0].tokens.output, 2);
});

test("warnings are told", async (t) => {
  const acme = await server.customer("warned");
  const bursar = client(server);
  await bursar.govern({ customer: acme, dimensions: { agentId: "rihc" }, maxTokens: 5 }, () => reply);
  assert.ok(bursar.warnings.includes("DIMENSION_NOT_RESOLVED:agentId") && bursar.warnings.includes("DID_YOU_MEAN:agentId=rich"), bursar.warnings.join());
  assert.ok(bursar.warnings.some((w) => w.startsWith("NOTHING_HELD:tokens.input")), bursar.warnings.join());

  const print = t.mock.method(console, "warn", () => {});
  await assert.rejects(bursar.govern({ ...callOf(acme, "poor"), dimensions: { agentId: "poor", teamId: "t" } }, () => reply), BudgetDenied);
  assert.ok(bursar.warnings.includes("DIMENSION_NOT_RESOLVED:teamId"), `a denial's: ${bursar.warnings.join()}`);
  const quiet = client(server, { onWarning: undefined });
  for (let i = 0; i < 3; i++) await quiet.check(acme, { featureId: "output", dimensions: { agentId: "rihc" } });
  const lines = print.mock.calls.map((c) => String(c.arguments[0]));
  assert.equal(lines.filter((l) => l.includes("DIMENSION_NOT_RESOLVED:agentId")).length, 1, lines.join("\n"));
});

test("usage that the server refuses is an estimate", async () => {
  const bursar = client(server);
  const acme = await server.customer("refused");
  await bursar.govern(callOf(acme), async (hold) => hold.commit([] as object));
  assert.ok(bursar.warnings.some((w) => w.startsWith("USAGE_REFUSED")), bursar.warnings.join());
  const [r] = await eventually(() => server.holds(acme, "EXPIRED"), (list) => list.length === 1);
  assert.equal(r.estimated, true);
});

test("a hold that somebody else ended: the call was billed, and is recorded", async () => {
  const bursar = client(server);
  const acme = await server.customer("ended");
  await bursar.govern(callOf(acme), async (hold) => {
    await bursar.release(acme, hold.id ?? "");
    return reply;
  });
  assert.equal((await server.used(acme)).output, 5);
  assert.equal(bursar.warnings.join(), "");
});

test("a second commit is told, and so is usage that cannot be written", async () => {
  const bursar = client(server);
  const acme = await server.customer("twice");
  await bursar.govern(callOf(acme), async (hold) => {
    await hold.commit(reply); // of a whole reply its usage is taken
    await hold.commit({ output_tokens: 1 });
  });
  assert.deepEqual([bursar.warnings.length, bursar.warnings[0]?.split(":")[0], (await server.used(acme)).output], [1, "COMMIT_IGNORED", 5]);
  await bursar.govern(callOf(acme), () => ({ usage: { output_tokens: 1n } }));
  assert.ok(bursar.warnings[1]?.startsWith("ESTIMATED"), bursar.warnings.join());
});

test("what callbacks throw", async (t) => {
  const acme = await server.customer("callbacks");
  const bursar = client(server);
  const stop = new Error("stop");
  const halt = () => {
    throw stop;
  };
  await assert.rejects(bursar.govern({ ...callOf(acme), onHold: halt }, () => assert.fail("it was run")), (e) => e === stop);
  assert.equal((await server.holds(acme, "RELEASED")).length, 1);
  assert.equal(await bursar.govern({ ...callOf(acme), onEnd: halt }, () => reply), reply);
  assert.ok(bursar.warnings[0]?.startsWith("CALLBACK_FAILED: onEnd"));
  t.mock.method(console, "error", () => {});
  t.mock.method(console, "warn", () => {});
  assert.equal(await client(server, { onWarning: halt }).govern({ ...callOf(acme), dimensions: { agentId: "rihc" } }, () => reply), reply);
  assert.equal((await server.holds(acme, "COMMITTED")).length, 2);
});

test("one call id is one call", async () => {
  const bursar = client(server);
  const acme = await server.customer("callid");
  await bursar.govern({ ...callOf(acme), callId: "resp_1" }, () => reply);
  await bursar.events([{ customerId: acme, eventName: "llm", callId: "resp_1", dimensions: { agentId: "rich", model: "gpt-5" }, usage: reply.usage }]);
  assert.equal((await server.used(acme)).output, 5);
  const again = (callId: string) => assert.rejects(bursar.govern({ ...callOf(acme), callId }, () => assert.fail("it was run")), (e) => e instanceof BursarError && e.code === "CallEnded");
  await again("resp_1");
  await bursar.govern({ ...callOf(acme), callId: "resp_2" }, async () => {
    await again("resp_2"); // while it runs
    return reply;
  });
  assert.equal((await server.used(acme)).output, 10);
});
