// What happens while the server is away. It is killed, and comes back with what it had.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BursarError } from "@bursar/sdk";
import { client, eventually, newServer } from "./world.js";

const server = await newServer();
const usage = { input_tokens: 20, output_tokens: 9 };
const callOf = (customer: string) => ({ customer, dimensions: { agentId: "rich" }, model: "gpt-5", input: "Hello", maxTokens: 100 });

test("no call goes on, unless that is wanted; then it is reported once the server is back", async () => {
  const acme = await server.customer("away");
  const deny = client(server, { retries: 0 });
  const allow = client(server, { retries: 0, unavailable: "allow" });
  await server.kill();
  await assert.rejects(deny.govern(callOf(acme), () => assert.fail("it was run")), (e) => e instanceof BursarError && e.code === "Unavailable");
  let ran = 0;
  await allow.govern(callOf(acme), (hold) => {
    ran++;
    assert.equal(hold.id, undefined);
    return { usage };
  });
  await assert.rejects(allow.govern({ ...callOf(acme), unbilled: () => true }, () => Promise.reject(new Error("no"))));
  await allow.govern(callOf(acme), () => "nobody knows what this used");
  assert.equal(ran, 1);
  assert.equal(allow.warnings.filter((w) => w.startsWith("UNHELD")).length, 3);
  assert.equal(allow.pending, 2);
  assert.ok((await allow.flush(100)) > 0);
  await server.start();
  assert.equal(await allow.flush(), 0);
  assert.deepEqual([allow.pending, (await server.used(acme)).output, deny.pending], [0, 109, 0]);
});

test("a commit that could not be sent waits, and counts once", async () => {
  const acme = await server.customer("waits");
  const bursar = client(server, { retries: 0 });
  await bursar.govern(callOf(acme), async () => {
    await server.kill();
    return { usage };
  });
  assert.equal(bursar.pending, 1);
  await server.start();
  await eventually(() => server.used(acme), (used) => used.output === 9); // by itself
  assert.equal(await bursar.flush(), 0);
  assert.deepEqual(await server.used(acme), { input: 20, cache_read: 0, cache_write: 0, output: 9, reasoning: 0 });
  assert.equal((await server.holds(acme, "COMMITTED")).length, 1);
});

test("an answer that is lost is asked for again, and nothing is held or counted twice", async () => {
  const acme = await server.customer("lost");
  let lose = 1;
  const losing: typeof fetch = async (input, init) => {
    const reply = await fetch(input, init);
    if (lose-- > 0) throw new TypeError("fetch failed");
    return reply;
  };
  const bursar = client(server, { fetch: losing });
  await bursar.govern(callOf(acme), () => {
    lose = 1; // of the commit, now
    return { usage };
  });
  await bursar.flush();
  assert.equal((await server.used(acme)).output, 9);
  assert.deepEqual([(await server.holds(acme, "COMMITTED")).length, (await server.holds(acme, "OPEN")).length], [1, 0]);

  lose = 3; // each answer to a reserve: it was made, and nobody knows
  await assert.rejects(bursar.govern(callOf(acme), () => assert.fail("it was run")), (e) => e instanceof BursarError && e.code === "Unavailable");
  assert.equal(await bursar.flush(), 0);
  assert.deepEqual([(await server.holds(acme, "OPEN")).length, (await server.holds(acme, "RELEASED")).length], [0, 1]);
});

test("a lost answer to a hold: the next attempt of the call keeps it, an unheld call that used nothing gives it back", async () => {
  const acme = await server.customer("undone");
  let first: unknown; // the first hold's key: nothing is heard of it until its call runs
  let running = false;
  const deny = client(server, {
    retries: 0,
    fetch: async (input, init) => {
      const reply = await fetch(input, init);
      const { idempotencyKey } = JSON.parse(String(init?.body ?? "{}"));
      first ??= idempotencyKey;
      if (idempotencyKey === first && !running) throw new TypeError("fetch failed");
      return reply;
    },
  });
  await assert.rejects(deny.govern({ ...callOf(acme), callId: "c7" }, () => assert.fail("it was run")));
  await deny.govern({ ...callOf(acme), callId: "c7" }, async () => {
    running = true;
    assert.equal(await deny.flush(), 0); // the undo comes while the call runs
    return { usage };
  });
  assert.deepEqual([(await server.used(acme)).output, (await server.holds(acme, "COMMITTED")).length], [9, 1]);

  let lose = 1;
  const losing: typeof fetch = async (input, init) => {
    const reply = await fetch(input, init);
    if (lose-- > 0) throw new TypeError("fetch failed");
    return reply;
  };
  const allow = client(server, { fetch: losing, retries: 0, unavailable: "allow" });
  await assert.rejects(allow.govern({ ...callOf(acme), unbilled: () => true }, () => Promise.reject(new Error("no"))));
  assert.equal(await allow.flush(), 0);
  assert.deepEqual([(await server.holds(acme, "OPEN")).length, (await server.holds(acme, "RELEASED")).length], [0, 1]);
  lose = 1;
  await allow.govern(callOf(acme), () => ({ usage }));
  assert.equal(await allow.flush(), 0);
  assert.deepEqual([(await server.used(acme)).output, (await server.holds(acme, "OPEN")).length], [18, 0]);
});

test("calls go on unheld only while their end can wait, and not past a server that answers", async () => {
  const acme = await server.customer("places");
  const allow = client(server, { retries: 0, unavailable: "allow", maxPending: 2 });
  const busy: typeof fetch = async () => new Response(JSON.stringify({ code: "RateLimited", message: "slower" }), { status: 429 });
  await assert.rejects(client(server, { fetch: busy, retries: 0, unavailable: "allow" }).govern(callOf(acme), () => assert.fail("it was run")), (e) => e instanceof BursarError && e.status === 429);
  await server.kill();
  const holds = [await allow.hold(callOf(acme)), await allow.hold(callOf(acme))];
  await assert.rejects(allow.hold(callOf(acme)), (e) => e instanceof BursarError && e.code === "Unavailable");
  await holds[0]?.release();
  await (await allow.hold(callOf(acme))).commit({ usage });
  await holds[1]?.commit({ usage });
  assert.equal(allow.pending, 2);
  await server.start();
  assert.equal(await allow.flush(), 0);
  assert.equal((await server.used(acme)).output, 18);
  const hold = await allow.hold(callOf(acme)); // there is room again
  await hold.release();
});

test("what waits is bounded, and what does not fit is told", async () => {
  const acme = await server.customer("bounded");
  const bursar = client(server, { retries: 0, maxPending: 2 });
  const holds = [await bursar.hold(callOf(acme)), await bursar.hold(callOf(acme)), await bursar.hold(callOf(acme))];
  await server.kill();
  for (const hold of holds) await hold.commit({ usage });
  assert.equal(bursar.pending, 2);
  assert.deepEqual(bursar.warnings.map((w) => w.split(":")[0]), ["QUEUE_FULL"]);
  await server.start();
  assert.equal(await bursar.flush(), 0);
  assert.equal((await server.used(acme)).output, 18);
});
