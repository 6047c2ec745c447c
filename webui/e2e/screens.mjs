// Every screen, by the customer of the demo.
const grid = page => page.getByRole("treegrid").waitFor();
const settled = page => page.waitForFunction(() => !document.querySelector(".skeleton"), null, { timeout: 8000 });
const drawer = tab => async page => {
  await page.getByRole("dialog").waitFor();
  if (tab) await page.getByRole("tab", { name: tab }).click();
  await settled(page);
  await page.waitForTimeout(400);
};
/** Where there is little room, the table's tools wait behind a button. */
const tool = async (page, name) => {
  const fold = page.getByRole("button", { name: "Filters and tools" });
  if (await fold.isVisible()) await fold.click();
  await page.getByRole("button", { name }).click();
};

/** What the screens show that the demo has nothing of. */
export async function furnish(call) {
  const [feature] = (await call("GET", "/features")).data;
  const [card] = (await call("GET", "/rate-cards")).data;
  const trial = { featureId: feature.id, usageLimit: 2_500_000, period: "1 month", resetPeriod: "DAY" };
  await call("POST", "/customers/acme/promotional-entitlements", { promotionalEntitlements: [trial] });
  const rates = card.rates.map(r => ({ ...r, amount: r.amount * 0.8 }));
  await call("POST", `/rate-cards/${card.id}/versions`, { corrects: 1, rates });
  await call("POST", `/rate-cards/${card.id}/reprice`, { from: new Date(Date.now() - 3_600_000).toISOString(), apply: false });
  await call("PUT", "/customers/acme/default-limits", {
    defaults: [
      { entityId: "engineering", entityTypeId: "agent", currencyId: "credits", label: "trial", usageLimit: 50, cadence: "P1D" },
      {
        entityTypeId: "user",
        metadata: { employment: "contractor" },
        currencyId: "credits",
        label: "trial",
        usageLimit: 10,
        cadence: "P1M",
      },
    ],
  });
  const [limit] = (await call("GET", "/customers/acme/assignments?limit=100")).data.filter(a => a.usageLimit !== null);
  for (const amount of [5, 7]) {
    const got = await call("POST", "/customers/acme/boost-requests", { assignmentId: limit.id, amount, reason: "A launch on Friday" });
    if (amount === 7) await call("POST", `/customers/acme/boost-requests/${got.data.id}/decline`, { note: "Next month" });
  }
  await call("PUT", "/customers/acme/notifications", {
    notifications: [
      {
        entityId: "engineering",
        name: "Engineering budgets",
        slackUrls: ["https://hooks.slack.com/services/T0/B0/abcd"],
        thresholds: [80, 100],
        denials: true,
        boostRequests: true,
      },
      { name: "Finance", slackUrls: ["https://hooks.slack.com/services/T0/B0/efgh"], thresholds: [90] },
    ],
  });
  await call("POST", "/api-keys", { name: "Dashboards", scope: "read", expiresAt: "2099-01-01T00:00:00Z" });
}

export const screens = [
  { name: "home", path: () => "/console", show: settled },
  { name: "customers", path: () => "/console/customers", show: settled },
  { name: "overview", path: () => "/console/customers/acme", show: settled },
  { name: "usage", path: () => "/console/customers/acme/usage", show: settled },
  { name: "embed-overview", path: key => `/embed#customer=acme&token=${key}`, show: settled },
  { name: "notifications", path: () => "/console/customers/acme/notifications", show: settled },
  { name: "embed-notifications", path: key => `/embed#customer=acme&token=${key}&view=notifications`, show: settled },
  {
    name: "notification-form",
    path: () => "/console/customers/acme/notifications",
    show: async page => {
      await page.getByRole("button", { name: "Edit Engineering budgets" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  { name: "tree", path: () => "/console/customers/acme/tree", show: grid },
  {
    name: "tree-open",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      await tool(page, "Open all");
      await page.waitForFunction(() => Number(document.querySelector('[role="treegrid"]').getAttribute("aria-rowcount")) > 100);
    },
  },
  {
    name: "tree-ranked",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      await tool(page, "Ranked");
      await page.waitForTimeout(700);
    },
  },
  { name: "node", path: () => "/console/customers/acme/tree?node=operations", show: drawer() },
  {
    name: "node-edit",
    path: () => "/console/customers/acme/tree?node=operations",
    show: async page => {
      await drawer()(page);
      await page.getByRole("dialog").getByRole("button", { name: "Edit" }).first().click();
      await page.getByLabel(/^Amount/).fill("300");
      await page.waitForTimeout(1200);
    },
  },
  {
    name: "node-limit",
    path: () => "/console/customers/acme/tree?node=team-backend",
    show: async page => {
      await drawer()(page);
      await page.getByRole("dialog").getByRole("button", { name: "Set a limit" }).click();
      await page.getByLabel(/^Amount/).fill("3");
      await page.waitForTimeout(1200);
    },
  },
  { name: "node-defaults", path: () => "/console/customers/acme/tree?node=engineering", show: drawer("Defaults") },
  {
    name: "default-edit",
    path: () => "/console/customers/acme/tree?node=engineering",
    show: async page => {
      await drawer("Defaults")(page);
      await page
        .getByRole("button", { name: /^Edit Credits/ })
        .first()
        .click();
      await page.getByText(/changes? at once/).waitFor();
    },
  },
  {
    name: "defaults",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      await tool(page, "Defaults");
      await page.getByRole("heading", { name: "Default limits" }).waitFor();
      await settled(page);
    },
  },
  { name: "coverage", path: () => "/console/customers/acme/coverage", show: settled },
  {
    name: "bulk",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      for (const name of ["Operations", "Product", "Engineering"]) await page.getByLabel(`Select ${name}`).check();
      await page.getByRole("button", { name: "Edit limits" }).click();
      await page.getByLabel(/^Amount/).fill("5000");
    },
  },
  {
    name: "import",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      await tool(page, "Import");
      const lines = ["entityId,currencyId,label,usageLimit,cadence", "operations,credits,,9000,P1M", "product,credits,,unlimited,P1D"];
      await page.setInputFiles("input[type=file]", { name: "limits.csv", mimeType: "text/csv", buffer: Buffer.from(lines.join("\n")) });
      await page.getByText("2 changes").first().waitFor();
    },
  },
  {
    name: "node-boost",
    path: () => "/console/customers/acme/tree?node=operations",
    show: async page => {
      await drawer()(page);
      await page.getByRole("dialog").getByRole("button", { name: "Boost" }).first().click();
      await page.getByLabel("Amount").fill("250");
      await page.getByLabel("Reason").fill("Launch week");
    },
  },
  {
    name: "share",
    path: () => "/console/customers/acme/tree?node=engineering",
    show: async page => {
      await drawer()(page);
      await page.getByRole("dialog").getByRole("button", { name: "Share out" }).first().click();
      await page.getByRole("button", { name: "Evenly" }).click();
      await page.getByText("would have stopped").last().waitFor();
    },
  },
  {
    name: "people",
    path: () => "/console/customers/acme/tree?node=team-backend",
    show: async page => {
      await drawer()(page);
      await page.getByRole("dialog").getByRole("button", { name: "Add below" }).click();
      await page.getByRole("button", { name: "Several at once" }).click();
      await page
        .getByLabel("One on each line")
        .fill("id,name,type,parent,limit\nada.l,Ada Lovelace,user,,400\nada.helper,Helper of Ada,agent,ada.l,\nx y,Strange,agent,,");
      await page.getByText("cannot be added").waitFor();
    },
  },
  {
    name: "archived",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      await tool(page, "Archived");
      await page.getByRole("dialog").getByText("Nobody is archived").waitFor();
    },
  },
  {
    name: "palette",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox", { name: "Find or do" }).fill("pipeline");
      await page.getByRole("dialog").getByRole("option").nth(1).waitFor();
    },
  },
  {
    name: "keyboard",
    path: () => "/console/customers/acme/tree",
    show: async page => {
      await grid(page);
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "node-archive",
    path: () => "/console/customers/acme/tree?node=operations",
    show: async page => {
      await drawer()(page);
      await page.getByRole("dialog").getByRole("button", { name: "Archive" }).click();
      await page.getByText("And what is below?").waitFor();
    },
  },
  {
    name: "node-usage-grouped",
    path: () => "/console/customers/acme/tree?node=operations",
    show: async page => {
      await drawer("Usage")(page);
      await page.getByLabel("By", { exact: true }).selectOption("$child");
      await page.getByLabel("Then by").selectOption("$featureId");
      await page.getByRole("dialog").locator(".within").first().waitFor();
    },
  },
  {
    name: "node-usage-by-model",
    path: () => "/console/customers/acme/tree?node=operations",
    show: async page => {
      await drawer("Usage")(page);
      await page.getByLabel("By", { exact: true }).selectOption({ label: "Model" });
      await page.getByLabel("Then by").selectOption({ label: "Agent" });
      await page.getByRole("dialog").locator(".within").first().waitFor();
    },
  },
  { name: "node-usage", path: () => "/console/customers/acme/tree?node=operations", show: drawer("Usage") },
  { name: "node-history", path: () => "/console/customers/acme/tree?node=operations", show: drawer("History") },
  { name: "credits", path: () => "/console/customers/acme/credits", show: settled },
  {
    name: "entitlements",
    path: () => "/console/customers/acme/entitlements",
    show: async page => {
      await settled(page);
      await page
        .getByRole("row", { name: /Active/ })
        .first()
        .waitFor();
    },
  },
  {
    name: "entitlement",
    path: () => "/console/customers/acme/entitlements",
    show: async page => {
      await page.getByRole("button", { name: "Add an entitlement" }).click();
      await page.getByLabel("Resets").selectOption("WEEK");
    },
  },
  { name: "holds", path: () => "/console/customers/acme/holds", show: settled },
  { name: "stopped", path: () => "/console/customers/acme/stopped", show: settled },
  {
    name: "explain",
    path: () => "/console/customers/acme/explain",
    show: async page => {
      await page.getByLabel("Amount").fill("100");
      const keys = page.getByLabel("Key");
      await keys.first().fill("agentId");
      await page.getByLabel("Value of agentId").fill("yusuf.cohen.pipeline-doctor");
      await page.getByRole("button", { name: "Dimension" }).click();
      await keys.nth(1).fill("model");
      await page.getByLabel("Value of model").fill("fjord-large");
      await page.getByRole("button", { name: "Explain", exact: true }).click();
      await page.getByRole("region", { name: "Answer" }).waitFor();
    },
  },
  { name: "requests", path: () => "/console/customers/acme/requests", show: settled },
  { name: "activity", path: () => "/console/customers/acme/activity", show: settled },
  { name: "access", path: () => "/console/customers/acme/access" },
  { name: "types", path: () => "/console/catalogue/types", show: settled },
  { name: "features", path: () => "/console/catalogue/features", show: settled },
  { name: "currencies", path: () => "/console/catalogue/currencies", show: settled },
  {
    name: "rates",
    path: () => "/console/catalogue/rates",
    show: async page => {
      await page.getByRole("button", { name: "Open" }).first().click();
      await page.getByRole("dialog").waitFor();
      await settled(page);
    },
  },
  {
    name: "reprice",
    path: () => "/console/catalogue/rates",
    show: async page => {
      await page.getByRole("button", { name: "Open" }).first().click();
      await page.getByRole("button", { name: "Re-price" }).click();
      await page.getByRole("button", { name: "Dry run" }).click();
      await page.getByRole("region", { name: "What would change" }).waitFor();
    },
  },
  { name: "keys", path: () => "/console/developers/keys", show: settled },
  { name: "webhooks", path: () => "/console/developers/webhooks", show: settled },
  {
    name: "jobs",
    path: () => "/console/developers/jobs",
    show: page =>
      page
        .getByRole("row", { name: /dry run/ })
        .first()
        .waitFor(),
  },
  { name: "missing", path: () => "/console/customers/nobody", show: page => page.getByText("No such customer").waitFor() },
  {
    name: "sign-in",
    path: () => "/console",
    show: page => page.getByRole("button", { name: "Sign out" }).click(),
  },
  { name: "embed", path: key => `/embed#customer=acme&view=tree&token=${key}`, show: grid },
  {
    name: "embed-explain",
    path: key => `/embed#customer=acme&token=${key}`,
    show: async page => {
      await page.getByRole("button", { name: "Explain", exact: true }).click();
      await page.getByLabel("Requested by").fill("pipeline doctor");
      await page
        .getByRole("option", { name: /Pipeline doctor/ })
        .first()
        .click();
      await page.getByLabel("Amount").fill("100");
      await page.getByRole("button", { name: "Explain", exact: true }).last().click();
      await page.getByRole("region", { name: "Answer" }).waitFor();
    },
  },
];
