import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { BudgetDenied, Bursar, BursarError } from "@bursar/sdk";
import { client, json, key, newProvider, newServer, nowhere } from "./world.js";

const server = await newServer();
const provider = await newProvider();

test("what an application asks and records", async () => {
  const bursar = client(server);
  const acme = await server.customer("asks");
  const dimensions = { agentId: "watched" };

  const check = await bursar.check(acme, { featureId: "output", requestedUsage: 500, dimensions });
  assert.equal(check.isGranted, true);
  assert.equal(check.chains?.[0]?.[0]?.usageLimit, 1000);
  const checks = await bursar.checks(acme, [{ featureId: "output", requestedUsage: 2000, dimensions }, { featureId: "input", dimensions }]);
  assert.deepEqual(checks.map((c) => c.isGranted), [false, true]);
  assert.equal(checks[0]?.binding?.entityId, "watched");

  const hold = await bursar.reserve(acme, { featureId: "output", amount: 100, dimensions });
  assert.equal((await bursar.extend(acme, hold.id, { ttlSeconds: 600 })).status, "OPEN");
  assert.equal((await bursar.reservation(acme, hold.id)).id, hold.id);
  assert.equal((await bursar.reservations(acme, { status: "OPEN" })).data.length, 1);
  assert.equal((await bursar.commit(acme, hold.id, { amount: 40 })).committedAmount, 40);
  const other = await bursar.reserve(acme, { featureId: "output", amount: 100, dimensions });
  assert.equal((await bursar.release(acme, other.id)).status, "RELEASED");

  assert.equal((await bursar.consume(acme, { featureId: "output", amount: 10, dimensions })).amount, 10);
  assert.equal((await bursar.usage([{ customerId: acme, featureId: "calls", value: 5, dimensions }]))[0]?.value, 5);
  const told = await bursar.events([{ customerId: acme, eventName: "llm", dimensions, usage: { input_tokens: 7, output_tokens: 3 } }]);
  assert.deepEqual(told.events[0]?.used.find((u) => u.featureId === "output")?.amount, 3);
  assert.equal((await server.used(acme, "watched")).output, 53);

  assert.deepEqual((await bursar.estimate({ customerId: acme, eventName: "llm", usage: { output_tokens: 1 } })).estimates, []);
  assert.deepEqual((await bursar.estimateUsage({ customerId: acme, featureId: "output", value: 1 })).estimates, []);
  assert.equal((await bursar.budgets(acme, { featureIds: ["output", "input"] })).data.length, 6);
  assert.equal((await bursar.explain(acme, { featureId: "output", requestedUsage: 2000, dimensions })).decision.isGranted, false);
  const asked = await bursar.requestBoost(acme, { entityId: "watched", featureId: "output", amount: 5, reason: "more to do" });
  assert.deepEqual([asked.status, asked.amount, asked.reason], ["OPEN", 5, "more to do"]);
  assert.equal((await bursar.boostRequest(acme, asked.id)).entityId, "watched");
  assert.deepEqual((await bursar.boostRequests(acme, { status: "OPEN" })).data.map((r) => r.id), [asked.id]);
  assert.ok((await bursar.forecast(acme, { featureId: "output" })).data.length > 0);
  await assert.rejects(bursar.consume(acme, { featureId: "output", amount: 2000, dimensions }), BudgetDenied);
  assert.equal((await bursar.denials(acme)).data.length > 0, true);
  const series = await bursar.usageOf(acme, { featureId: "output", startDate: new Date(Date.now() - 3_600_000).toISOString(), groupBy: ["agentId", "model"] });
  assert.equal(series.series.flatMap((s) => s.points).reduce((n, p) => n + p.value, 0), 53);
});

test("errors say what was wrong, where, and whether to try again", async () => {
  const bursar = client(server);
  const acme = await server.customer("errors");
  const denied: unknown = await bursar.reserve(acme, { featureId: "output", amount: 11, dimensions: { agentId: "poor" } }).catch((e) => e);
  assert.ok(denied instanceof BudgetDenied && denied instanceof BursarError && denied instanceof Error);
  assert.deepEqual([denied.status, denied.binding?.entityId, denied.remaining, denied.retryable, denied.name], [402, "poor", 10, false, "BudgetDenied"]);
  assert.ok(denied.resetsAt && denied.resetsAt > new Date(), "when it resets");
  assert.ok(denied.traceId && denied.message.includes("poor"), denied.message);

  const bad: unknown = await bursar.consume(acme, { featureId: "output", amount: -1 }).catch((e) => e);
  assert.ok(bad instanceof BursarError && !(bad instanceof BudgetDenied));
  assert.deepEqual([bad.status, bad.pointer, bad.retryable], [400, "/amount", false]);
  const stranger: unknown = await client(server, { key: "bsk_wrong_0123456789" }).check(acme, { featureId: "output" }).catch((e) => e);
  assert.ok(stranger instanceof BursarError && stranger.status === 401);

  await server.api("POST", `/customers/${acme}/freeze`, { reason: "the bill is open" });
  const frozen: unknown = await bursar.consume(acme, { featureId: "output", amount: 1, dimensions: { agentId: "rich" } }).catch((e) => e);
  assert.ok(frozen instanceof BudgetDenied && frozen.frozen?.reason === "the bill is open" && frozen.binding === null);
});

test("the CommonJS package is the same, and knows the errors of the other", async () => {
  const cjs = createRequire(import.meta.url)("@bursar/sdk") as typeof import("@bursar/sdk");
  const acme = await server.customer("cjs");
  const e: unknown = await new cjs.Bursar({ url: server.url, key }).consume(acme, { featureId: "output", amount: 11, dimensions: { agentId: "poor" } }).catch((e) => e);
  assert.ok(e instanceof cjs.BudgetDenied && e instanceof BudgetDenied && !(e instanceof TypeError));
  assert.ok(!((new Error("no")) instanceof BursarError));
});

test("what failed for a moment is sent again with the same key, a denial and a bad request are not", async () => {
  let n = 0;
  provider.answer = (res, asked) => json(n++ < 2 ? { code: "Overloaded", message: "later", retryable: true } : { data: { id: "r" } }, n <= 2 ? 503 : 201)(res, asked);
  const bursar = new Bursar({ url: provider.url + "/", key });
  provider.asked = [];
  assert.deepEqual(await bursar.reserve("acme & co", { featureId: "f", amount: 1 }), { id: "r" });
  assert.equal(provider.asked[0]?.path, "/api/v1/customers/acme%20%26%20co/reservations");
  assert.equal(new Set(provider.asked.map((a) => a.headers["idempotency-key"])).size, 1);
  assert.equal(provider.asked.length, 3);
  assert.ok(provider.asked[0]?.headers["idempotency-key"]);

  for (const [status, sent] of [[503, 3], [429, 3], [408, 3], [402, 1], [400, 1], [500, 1]] as const) {
    provider.answer = json({ code: "Some", message: "no" }, status);
    provider.asked = [];
    await assert.rejects(bursar.release("c", "r"), (e) => e instanceof BursarError && e.status === status);
    assert.equal(provider.asked.length, sent, `status ${status}`);
  }
  provider.asked = [];
  provider.answer = (res, asked) => (provider.asked.length < 2 ? void res.destroy() : json({ data: {} })(res, asked));
  await bursar.check("c", { featureId: "f", dimensions: { "a&b": "x=y" }, strict: true });
  assert.equal(provider.asked.length, 2, "after a connection that was lost");
  assert.equal(provider.asked[0]?.path, "/api/v1/customers/c/entitlements/check?featureId=f&dimensions%5Ba%26b%5D=x%3Dy&strict=true");
});

test("a server that does not answer, is none, or is not waited for", async () => {
  provider.answer = () => {};
  const bursar = new Bursar({ url: provider.url, key, retries: 1, timeoutMs: 500 });
  provider.asked = [];
  await assert.rejects(bursar.release("c", "r"), (e) => e instanceof BursarError && e.code === "Unavailable" && e.status === 0 && e.retryable && e.message.includes("500 ms"));
  assert.equal(provider.asked.length, 2);
  const mine = new Error("I go");
  await assert.rejects(bursar.release("c", "r", { signal: AbortSignal.abort(mine) }), (e) => e === mine);
  const control = new AbortController();
  provider.answer = () => control.abort(mine);
  await assert.rejects(new Bursar({ url: provider.url, key }).release("c", "r", { signal: control.signal }), (e) => e === mine);
  provider.answer = (res) => void res.end("<html>");
  await assert.rejects(bursar.release("c", "r"), (e) => e instanceof BursarError && e.code === "UnreadableReply");
  provider.answer = (res) => void res.writeHead(301, { location: `${server.url}/` }).end();
  await assert.rejects(bursar.release("c", "r"), (e) => e instanceof BursarError && e.code === "Redirected");
  assert.throws(() => new Bursar({ url: "127.0.0.1:8080", key }), TypeError);
  assert.throws(() => new Bursar({ url: server.url, key: process.env.NO_SUCH_KEY }), /key/);
  await assert.rejects(new Bursar({ url: await nowhere(), key, retries: 0 }).release("c", "r"), /cannot be asked/);
});
