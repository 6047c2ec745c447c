// What was stopped is kept: it is there after a restart, is found by whom and by which limit, and is
// set right where it is shown.
import assert from "node:assert/strict";
import { startServer } from "./rig.mjs";

async function seed(call) {
  await call("PUT", "/entity-types", {
    types: [
      { id: "team", displayName: "Team", attributionKeys: ["teamId"] },
      { id: "agent", displayName: "Agent", attributionKeys: ["agentId"] },
    ],
  });
  await call("POST", "/features", { id: "tokens", displayName: "Tokens", featureType: "NUMBER", featureUnitsPlural: "tokens" });
  await call("POST", "/customers", { id: "kept", name: "Kept" });
  await call("PUT", "/customers/kept/entities", {
    entities: [
      { id: "eng", entityTypeId: "team", displayName: "Engineering" },
      { id: "doctor", entityTypeId: "agent", displayName: "Doctor", parentId: "eng" },
      { id: "legal", entityTypeId: "team", displayName: "Legal" },
      { id: "reader", entityTypeId: "agent", displayName: "Reader", parentId: "legal" },
    ],
  });
  await call("PUT", "/customers/kept/assignments", {
    assignments: ["eng", "reader"].map(entityId => ({ entityId, featureId: "tokens", usageLimit: 100, cadence: "P1M" })),
  });
}

const check = (call, agentId) =>
  call("GET", `/customers/kept/entitlements/check?featureId=tokens&requestedUsage=150&dimensions[agentId]=${agentId}`);

export async function stoppedTests(browser) {
  let server = await startServer();
  await seed(server.call);
  let page;
  let clicks = 0;
  const click = async what => {
    clicks++;
    await what.click();
  };
  async function begin(path) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, timezoneId: "UTC" });
    page.setDefaultTimeout(30_000);
    await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), server.key);
    await page.goto(server.url + path);
    clicks = 0;
  }
  const rows = () => page.locator(".stopped tbody tr");
  const isNow = async (agent, granted) => assert.equal((await check(server.call, agent)).data.isGranted, granted);

  return [
    [
      "stopped: a denial outlives a restart and is boosted away in 4 clicks",
      async () => {
        for (const agent of ["doctor", "doctor", "reader"]) await isNow(agent, false);
        await server.stop();
        server = await startServer([], server.data);
        await begin("/console/customers/kept");
        await click(page.getByRole("navigation").getByRole("link", { name: "Stopped" }));
        await page.getByRole("heading", { name: "3 stopped" }).waitFor();
        assert.equal(await rows().count(), 3);
        await click(rows().filter({ hasText: "Doctor" }).first().getByRole("button", { name: "Boost" }));
        const dialog = page.getByRole("dialog").last();
        await dialog.getByLabel("Amount").fill("60");
        await dialog.getByLabel("Until").fill(new Date(Date.now() + 86_400_000).toISOString().slice(0, 16));
        await click(dialog.getByRole("button", { name: "Boost", exact: true }));
        await page.getByText("Boosted by 60").waitFor();
        assert.ok(clicks <= 4, `${clicks} clicks`);
        await isNow("doctor", true);
        await isNow("reader", false);
      },
    ],
    [
      "stopped: it is found by time, by who asked and by the limit, and explained",
      async () => {
        await begin("/console/customers/kept/stopped");
        await page.getByLabel("Time", { exact: true }).selectOption("Last 90 days");
        await page.getByLabel("Requested by").fill("Legal");
        await page.getByRole("option", { name: /Legal/ }).click();
        await page.getByRole("button", { name: "Legal and below" }).waitFor();
        await page.getByRole("heading", { name: "2 stopped" }).waitFor();
        assert.equal(await rows().count(), 2);
        await page.getByRole("button", { name: "Legal and below" }).click();
        await page.getByRole("heading", { name: "4 stopped" }).waitFor();
        await page.getByLabel("Stopped by", { exact: true }).selectOption("Engineering · Tokens");
        await page.getByRole("heading", { name: "2 stopped" }).waitFor();
        await rows().first().getByRole("button", { name: "Explain" }).click();
        await page.getByText(/^Stopped at .* not enough remaining; Engineering had 100 left/).waitFor();
      },
    ],
    [
      "stopped: its limit is raised, and who loops is frozen, in place",
      async () => {
        await begin("/console/customers/kept/stopped");
        await click(rows().filter({ hasText: "Reader" }).first().getByRole("button", { name: "Raise" }));
        let dialog = page.getByRole("dialog").last();
        await dialog.getByLabel(/^Amount/).fill("500");
        await click(dialog.getByRole("button", { name: /^Save/ }));
        await dialog.waitFor({ state: "detached" });
        assert.ok(clicks <= 4, `${clicks} clicks`);
        await isNow("reader", true);
        await rows().filter({ hasText: "Doctor" }).first().getByRole("button", { name: "Freeze" }).click();
        dialog = page.getByRole("dialog").last();
        await dialog.getByLabel("Reason").fill("It loops");
        await dialog.getByRole("button", { name: "Freeze", exact: true }).click();
        await dialog.waitFor({ state: "detached" });
        await isNow("doctor", false);
        await page.reload();
        await rows().filter({ hasText: "the freeze of Doctor" }).first().waitFor();
      },
    ],
  ];
}
