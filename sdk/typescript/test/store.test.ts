// A process that is killed loses no end of a call that its provider has answered: the next one tells it, once.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fileStore } from "@bursar/sdk/file";
import { client, eventually, folder, key, newServer } from "./world.js";

const server = await newServer();

test("what a killed process could not tell is told by the next, once", async () => {
  const acme = await server.customer("killed");
  const kept = folder("store");
  const worker = spawn(process.execPath, [fileURLToPath(new URL("worker.js", import.meta.url)), server.url, key, kept, acme], { stdio: ["ignore", "pipe", "inherit"] });
  assert.match(String((await once(worker.stdout, "data"))[0]), /waiting/);
  worker.kill("SIGKILL");
  await once(worker, "exit");
  const names = readdirSync(kept).filter((name) => name.endsWith(".json"));
  assert.equal(names.length, 3);
  assert.equal((await server.used(acme)).output, 9);
  assert.equal((await server.holds(acme, "OPEN")).length, 3);

  const damaged = `${names[0]?.split("-")[0]}-damaged.json`;
  writeFileSync(join(kept, damaged), "{");
  const elsewhere = client(server, { url: server.url.replace("127.0.0.1", "localhost"), store: fileStore(kept) });
  assert.equal(await elsewhere.flush(), 0);
  assert.equal((await server.used(acme)).output, 9, "what is for one server is told to no other");

  // Two at a time, as a product that starts twice.
  const next = [client(server, { store: fileStore(kept) }), client(server, { store: fileStore(kept) })];
  for (const one of next) assert.equal(await one.flush(), 0);
  await eventually(() => server.used(acme), (used) => used.output === 118);
  assert.deepEqual([(await server.holds(acme, "COMMITTED")).length, (await server.holds(acme, "RELEASED")).length, (await server.holds(acme, "OPEN")).length], [2, 1, 0]);
  assert.deepEqual(readdirSync(kept), [damaged]);
  const last = client(server, { store: fileStore(kept) });
  assert.equal(await last.flush(), 0);
  assert.equal((await server.used(acme)).output, 118);
  assert.equal(elsewhere.warnings.join(), "");
  for (const one of [...next, last]) assert.ok(one.warnings.length === 1 && one.warnings[0]?.startsWith("STORE_FAILED") && one.warnings[0].includes("damaged"), one.warnings.join());
});

test("a store that fails is told, and stops no call", async () => {
  const acme = await server.customer("full");
  const full = Promise.reject(new Error("the disk is full"));
  full.catch(() => {});
  const bursar = client(server, { store: { put: () => full, delete: () => full, list: () => full } });
  await bursar.govern({ customer: acme, dimensions: { agentId: "rich" }, input: "Hi" }, () => ({ usage: { output_tokens: 9 } }));
  assert.equal((await server.used(acme)).output, 9);
  assert.ok(bursar.warnings.length > 0 && bursar.warnings.every((w) => w.startsWith("STORE_FAILED") && w.includes("the disk is full")), bursar.warnings.join());
});
