// Use that nothing limits: who says what becomes of it, who it is, and why it was denied.
import assert from "node:assert/strict";
import { startServer } from "./rig.mjs";

async function seed(call) {
  await call("PUT", "/entity-types", {
    types: [
      { id: "team", displayName: "Team", attributionKeys: ["teamId"], strict: true },
      { id: "agent", displayName: "Agent", attributionKeys: ["agentId"] },
    ],
  });
  await call("POST", "/features", { id: "tokens", displayName: "Tokens", featureType: "NUMBER", featureUnitsPlural: "tokens" });
  await call("POST", "/customers", { id: "open", name: "Open" });
  await call("PUT", "/customers/open/entities", {
    entities: [
      { id: "eng", entityTypeId: "team", displayName: "Engineering" },
      { id: "below", entityTypeId: "agent", displayName: "Below", parentId: "eng" },
      { id: "lone", entityTypeId: "agent", displayName: "Lone" },
    ],
  });
  await call("PUT", "/customers/open/assignments", {
    assignments: [{ entityId: "eng", featureId: "tokens", usageLimit: 200, cadence: "P1M" }],
  });
  const usages = [
    ["below", 7],
    ["lone", 40],
  ].map(([agentId, value]) => ({ customerId: "open", featureId: "tokens", value, dimensions: { agentId }, idempotencyKey: agentId }));
  await call("POST", "/usage", { usages });
}

export async function ungovernedTests(browser) {
  const server = await startServer();
  const { call } = server;
  await seed(call);
  async function visit(path, use) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(30_000);
    await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), server.key);
    await page.goto(server.url + path);
    try {
      await use(page, page.getByRole("dialog").last());
    } finally {
      await page.close();
    }
  }
  const save = dialog => dialog.getByRole("button", { name: "Save", exact: true }).click();
  const agent = async () => (await call("GET", "/entity-types")).data.find(t => t.id === "agent");

  return [
    [
      "ungoverned: a customer's coverage says who has no limit, and what was used under none",
      () =>
        visit("/console/customers/open/coverage", async page => {
          const who = page.getByRole("region", { name: "Who has no limit" });
          await who.getByRole("row", { name: "Agent such use is granted, with a warning 1 of 2 Lone" }).waitFor();
          await who.getByRole("row", { name: /Team .*none of 1/ }).waitFor();
          const used = page.getByRole("region", { name: "Tokens" });
          await used.getByText("40 of 47").waitFor();
          await used.getByRole("row", { name: "Agent 40 Lone" }).waitFor();
          await used.getByRole("link", { name: "Lone" }).click();
          await page.getByRole("dialog").getByRole("heading", { name: "Lone" }).waitFor();
        }),
    ],
    [
      "ungoverned: an entity type and the environment say what becomes of it; another change of the type keeps that",
      () =>
        visit("/console/catalogue/types", async (page, dialog) => {
          const everywhere = page.getByRole("region", { name: "Use that nothing limits" });
          await everywhere.getByText("Use that nothing limits is granted, with a warning").waitFor();
          await everywhere.getByRole("button", { name: "Change" }).click();
          await dialog.getByLabel("What becomes of it").selectOption("deny");
          await dialog
            .getByText("requests that no limit covers, and whose entity types say nothing else, are denied, in every customer")
            .waitFor();
          await save(dialog);
          await everywhere.getByText("Use that nothing limits is denied").waitFor();
          assert.equal((await call("GET", "/settings")).data.ungoverned, "deny");

          const row = page.getByRole("row", { name: /Agent/ });
          await row.getByText("as everywhere").waitFor();
          await row.getByRole("button", { name: "Edit" }).click();
          await dialog.getByLabel("Use that nothing limits").getByText("As everywhere: denied").waitFor({ state: "attached" });
          await dialog.getByLabel("Use that nothing limits").selectOption("allow");
          await save(dialog);
          await row.getByText("granted", { exact: true }).waitFor();
          await row.getByRole("button", { name: "Edit" }).click();
          await dialog.getByLabel("Name", { exact: true }).fill("Robot");
          await save(dialog);
          await page.getByRole("row", { name: /Robot/ }).waitFor();
          assert.equal((await agent()).ungoverned, "allow");
          await page.getByRole("row", { name: /Robot/ }).getByRole("button", { name: "Edit" }).click();
          await dialog.getByLabel("Name", { exact: true }).fill("Agent");
          await dialog.getByLabel("Use that nothing limits").selectOption("");
          await save(dialog);
          await row.getByText("as everywhere").waitFor();
          assert.equal((await agent()).ungoverned, undefined);
          // What no form shows stays, too.
          const team = page.getByRole("row", { name: /Team/ });
          await team.getByRole("button", { name: "Edit" }).click();
          await dialog.getByLabel("Description").fill("A team");
          await save(dialog);
          await team.getByText("A team").waitFor();
          assert.equal((await call("GET", "/entity-types")).data.find(t => t.id === "team").strict, true);
        }),
    ],
    [
      "ungoverned: what was denied for it says so in words, in the overview and in an explanation",
      async () => {
        await call("PATCH", "/settings", { ungoverned: "deny" });
        const check = "/customers/open/entitlements/check?featureId=tokens&requestedUsage=5&dimensions[agentId]=lone";
        const { data } = await call("GET", check);
        assert.equal(data.accessDeniedReason, "Ungoverned");
        const why = "Nothing limits this use, and such use is denied";
        await visit("/console/customers/open/overview", page =>
          page
            .getByRole("region", { name: "Stopped lately" })
            .getByRole("row", { name: `Lone ${why}` })
            .waitFor(),
        );
        await visit("/console/customers/open/explain", async page => {
          await page.getByLabel("Requested by").fill("lone");
          await page.getByRole("option", { name: /Lone/ }).click();
          await page.getByLabel("Amount").fill("5");
          await page.getByRole("button", { name: "Explain", exact: true }).click();
          const answer = page.getByRole("region", { name: "Answer" });
          await answer.getByRole("heading", { name: `No: n${why.slice(1)}` }).waitFor();
          await answer.getByText(data.accessDeniedDetail).waitFor();
        });
        await call("PATCH", "/settings", { ungoverned: null });
      },
    ],
  ];
}
