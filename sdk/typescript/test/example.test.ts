import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { json, key, newProvider, newServer } from "./world.js";

const here = fileURLToPath(new URL("..", import.meta.url));

test("the agent of the example winds down before it is stopped", async () => {
  const server = await newServer();
  const provider = await newProvider();
  await server.api("POST", "/customers", { id: "acme" });
  await server.api("PUT", "/customers/acme/entities", { entities: [{ id: "reader", entityTypeId: "agent" }] });
  const limit = { entityId: "reader", featureId: "output", cadence: "P1D" };
  await server.api("PUT", "/customers/acme/assignments", { assignments: [{ ...limit, usageLimit: 1000 }] });
  provider.answer = json({ id: "c", object: "chat.completion", model: "gpt-5", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Noted." } }], usage: { prompt_tokens: 20, completion_tokens: 90, total_tokens: 110 } });

  // A copy below this package, where its imports are found.
  const folder = mkdtempSync(join(here, "build", "example-"));
  cpSync(join(here, "../../examples/node/agent.mjs"), join(folder, "agent.mjs"));
  const run = () => promisify(execFile)(process.execPath, [join(folder, "agent.mjs")], { env: { ...process.env, BURSAR_URL: server.url, BURSAR_API_KEY: key, OPENAI_BASE_URL: `${provider.url}/v1`, OPENAI_API_KEY: "sk-test" } });
  // The ninth call finds 720 used and 100 held: it is told to wind down, and its tenth sums up.
  const { stdout } = await run();
  assert.equal(stdout, "Noted.\nread 9 of 50 documents; the advice was wind_down\n");
  assert.equal(provider.asked.length, 10);

  await server.api("PUT", "/customers/acme/assignments", { assignments: [{ ...limit, usageLimit: 950 }] });
  assert.match((await run()).stdout, /^stopped by the budget of reader, which has 50 left until .*\nread 0 of 50 documents; the advice was ok\n$/);
  assert.equal(provider.asked.length, 10);
});
