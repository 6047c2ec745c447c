// Who is stopped asks for more, and who may raise the limit decides: by how few clicks, and that it helps.
import assert from "node:assert/strict";
import { startServer } from "./rig.mjs";

async function seed(call) {
  await call("PUT", "/entity-types", {
    types: [
      { id: "team", displayName: "Team", attributionKeys: ["teamId"] },
      { id: "agent", displayName: "Agent", attributionKeys: ["agentId"] },
    ],
  });
  await call("POST", "/features", { id: "calls", displayName: "Calls", featureType: "NUMBER", featureUnitsPlural: "calls" });
  await call("POST", "/customers", { id: "more", name: "More" });
  await call("PUT", "/customers/more/entities", {
    entities: [
      { id: "org", entityTypeId: "team", displayName: "Company" },
      { id: "red", entityTypeId: "team", displayName: "Red team", parentId: "org" },
      { id: "bot", entityTypeId: "agent", displayName: "Bot", parentId: "red" },
    ],
  });
  const limit = (entityId, usageLimit) => ({ entityId, featureId: "calls", usageLimit, cadence: "P1M" });
  await call("PUT", "/customers/more/assignments", { assignments: [limit("org", 1000), limit("red", 100)] });
  await call("POST", "/usage", {
    usages: [{ customerId: "more", featureId: "calls", value: 100, dimensions: { agentId: "bot" }, idempotencyKey: "used" }],
  });
}

export async function requestTests(browser) {
  const server = await startServer();
  const { call } = server;
  await seed(call);
  const lead = { permissions: ["read", "manage"], rootEntityId: "red", subject: "lead@more.example", expiresInSeconds: 3600 };
  const token = (await call("POST", "/customers/more/access-tokens", lead)).data.token;
  let page;
  let clicks = 0;
  const click = async what => {
    clicks++;
    await what.click();
  };
  async function begin(path, key) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, timezoneId: "UTC" });
    page.setDefaultTimeout(30_000);
    if (key) await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), key);
    await page.goto(server.url + path);
    clicks = 0;
  }
  const dialog = () => page.getByRole("dialog").last();
  const button = (name, within) => within.getByRole("button", { name, exact: true });
  const granted = async amount =>
    (await call("GET", `/customers/more/entitlements/check?featureId=calls&requestedUsage=${amount}&dimensions[agentId]=bot`)).data
      .isGranted;
  const limits = async () => {
    const all = (await call("GET", "/customers/more/assignments?limit=100")).data;
    return Object.fromEntries(all.map(a => [a.entityId, a.effectiveUsageLimit]));
  };
  const embed = view => begin(`/embed#customer=more&token=${token}&view=${view}`);

  return [
    [
      "request: who is stopped asks for what is missing, in three clicks from the denial",
      async () => {
        assert.equal(await granted(20), false);
        await embed("explain");
        await click(page.getByRole("button", { name: /Bot.*20 Calls/ }));
        await click(button("Ask for more", page.getByRole("region", { name: "Answer" })));
        assert.equal(await dialog().getByLabel("Amount").inputValue(), "20");
        await dialog().getByLabel("Reason").fill("A launch on Friday");
        await click(button("Ask", dialog()));
        await page.getByText("Asked for 20 more").last().waitFor();
        assert.equal(clicks, 3);
        // It may not decide for itself, and sees that somebody is to.
        await page.getByRole("button", { name: /^Requests 1/ }).click();
        const open = page.getByRole("region", { name: "Request of Red team" });
        await open.getByText("Whoever may raise this limit decides").waitFor();
        assert.equal(await open.getByRole("button", { name: "Approve" }).count(), 0);
        assert.equal(await granted(20), false);
      },
    ],
    [
      "request: it is approved from the inbox, funded from above, in two clicks, and then granted",
      async () => {
        await begin("/console/customers/more/requests", server.key);
        await page.getByRole("link", { name: /Requests 1 open/ }).waitFor();
        const open = page.getByRole("region", { name: "Request of Red team" });
        await open.getByText("100 of 100 used").waitFor();
        await open.getByText("“A launch on Friday”").waitFor();
        await click(button("Approve", open));
        await dialog().getByLabel("Taken from").selectOption({ label: "Company, with 900 left" });
        await dialog().getByLabel("Note").fill("This once");
        await click(button("Approve", dialog()));
        await page.getByText("20 more for Red team").last().waitFor();
        assert.equal(clicks, 2);
        await page.getByText("Nobody is waiting").waitFor();
        assert.equal(await granted(20), true);
        assert.equal(await granted(21), false);
        assert.deepEqual(await limits(), { org: 980, red: 120 });
        // Who asked is told, and not who pays.
        await embed("requests");
        const decided = page.getByRole("region", { name: "Decided requests" });
        await decided.getByText("This once").waitFor();
        await decided.getByText("Approved:").waitFor();
        assert.equal(await decided.getByText("taken from").count(), 0);
      },
    ],
    [
      "request: from the drawer of a limit; it is declined with a note, or withdrawn by who asked",
      async () => {
        const ask = async amount => {
          await embed("tree");
          await page
            .getByRole("row", { name: /Red team/ })
            .first()
            .click();
          await button("Ask for more", dialog()).click();
          await dialog().getByLabel("Amount").fill(amount);
          await button("Ask", dialog()).click();
          await page.getByText(`Asked for ${amount} more`).last().waitFor();
        };
        await ask("7");
        await begin("/console/customers/more/requests", server.key);
        await button("Decline", page.getByRole("region", { name: "Request of Red team" })).click();
        await dialog().getByLabel("Note").fill("Next month");
        await button("Decline", dialog()).click();
        await page.getByText("Nobody is waiting").waitFor();
        await ask("8");
        await embed("requests");
        await page.getByText("Next month").waitFor();
        await button("Withdraw", page.getByRole("region", { name: "Request of Red team" })).click();
        await button("Withdraw", dialog()).click();
        await page.getByText("Nobody is waiting").waitFor();
        const all = (await call("GET", "/customers/more/boost-requests")).data.map(r => [r.amount, r.status]);
        assert.deepEqual(all, [
          [8, "WITHDRAWN"],
          [7, "DECLINED"],
          [20, "APPROVED"],
        ]);
      },
    ],
  ];
}
