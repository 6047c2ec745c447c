// What the pages say is so: who is stopped and by what, what archiving releases, what a line
// means, where usage went; and what is sent again.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { startServer } from "./rig.mjs";

export function truthTests(browser, server) {
  const { call } = server;
  const at = "/console/customers/truth";
  const dialogOf = page => page.getByRole("dialog").last();
  const button = (name, within) => within.getByRole("button", { name, exact: true });
  async function open(path, options = {}, on = server) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    page.setDefaultTimeout(60_000);
    await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), on.key);
    await page.goto(on.url + path);
    return page;
  }
  const limits = assignments =>
    call("PUT", "/customers/truth/assignments", { assignments: assignments.map(a => ({ currencyId: "gold", cadence: "P1M", ...a })) });
  let n = 0;
  const use = (amount, dimensions) =>
    call("POST", "/customers/truth/consume", { currencyId: "gold", amount, dimensions, idempotencyKey: `t${++n}` });
  const check = (amount, dimensions) => {
    const q = new URLSearchParams({ currencyId: "gold", requestedUsage: amount });
    return call("GET", `/customers/truth/entitlements/check?${q}${Object.entries(dimensions).map(([k, v]) => `&dimensions[${k}]=${v}`)}`);
  };

  return [
    [
      "truth: an organisation to look at",
      async () => {
        await call("PUT", "/entity-types", {
          types: [
            { id: "squad", displayName: "Squad", attributionKeys: ["squadId"] },
            { id: "robot", displayName: "Robot", attributionKeys: ["robotId"] },
            { id: "mind", displayName: "Mind", attributionKeys: ["mind"] },
          ],
        });
        await call("POST", "/credits/custom-currencies", { id: "gold", displayName: "Gold", prepaid: false });
        await call("POST", "/customers", { id: "truth", name: "Truth" });
        const entity = (id, entityTypeId, displayName, parentId) => ({ id, entityTypeId, displayName, ...(parentId ? { parentId } : {}) });
        await call("PUT", "/customers/truth/entities", {
          entities: [
            entity("head", "squad", "Head office"),
            entity("west", "squad", "West wing", "head"),
            entity("r1", "robot", "Robot one", "west"),
            entity("east", "squad", "East wing"),
            entity("r2", "robot", "Robot two", "east"),
            entity("lines", "squad", "Line up"),
            entity("large", "mind", "Large mind"),
            entity("small", "mind", "Small mind"),
          ],
        });
      },
    ],
    [
      "truth: what is stopped from above says so in search, ranked, the tree and the drawer",
      async () => {
        await limits([
          { entityId: "head", usageLimit: 10 },
          { entityId: "west", usageLimit: 1000, cadence: "P1D" },
        ]);
        const page = await open(`${at}/tree`);
        await page.getByLabel("Capability").selectOption("currency:gold");
        await page.getByLabel("Find by name or id").fill("West");
        await page.getByRole("row", { name: /^Select West wing.*OK/ }).waitFor();
        await use(10, { squadId: "west" });
        // Live, in a list in which what stops it is not shown.
        await page.getByRole("row", { name: /^Select West wing.*Blocked by Head office, per month/ }).waitFor();
        await page.getByLabel("Find by name or id").fill("");
        await button("Ranked", page).click();
        await page.getByRole("row", { name: /^Select West wing.*Blocked/ }).click();
        await dialogOf(page).getByRole("button", { name: "Head office, per month" }).waitFor();
        await dialogOf(page).getByText("has nothing left: requests here are stopped").waitFor();
        await button("Boost", dialogOf(page)).click();
        await dialogOf(page).getByText("requests stay stopped, whatever this boost allows").waitFor();
        await button("Cancel", dialogOf(page)).click();
        await page.goto(`${server.url}${at}/tree?node=r1`);
        await dialogOf(page).getByRole("button", { name: "Head office, per month" }).click();
        await dialogOf(page).getByRole("heading", { name: "Head office" }).waitFor();
        await page.keyboard.press("Escape");
        await button("Ranked", page).click();
        await limits([{ entityId: "head", usageLimit: 1000 }]);
        await page.getByRole("row", { name: /^Select West wing.*OK/ }).waitFor();
        await page.close();
      },
    ],
    [
      "truth: a refusal shows at once, and nobody polls denials",
      async () => {
        await limits([{ entityId: "east", usageLimit: 100 }]);
        await use(90, { squadId: "east" });
        const page = await open(`${at}/tree`);
        const asked = [];
        page.on("request", r => /\/denials/.test(r.url()) && asked.push(r.url()));
        await page.getByLabel("Capability").selectOption("currency:gold");
        await page.getByRole("row", { name: /^Select East wing.*Near/ }).waitFor();
        assert.equal((await check(20, { squadId: "east" })).data.isGranted, false);
        await page.getByRole("row", { name: /^Select East wing.*At limit/ }).waitFor();
        await page.waitForResponse(r => /\/governance\?/.test(r.url()), { timeout: 90_000 });
        await page.getByRole("row", { name: /^Select East wing.*At limit/ }).waitFor();
        assert.deepEqual(asked, []);
        await page.close();
      },
    ],
    [
      "truth: a line goes on meaning the limit that it names; a period shows only its limits",
      async () => {
        await limits([
          { entityId: "lines", usageLimit: 1000 },
          { entityId: "lines", usageLimit: 50, cadence: "PT15M", label: "surge" },
        ]);
        await use(20, { squadId: "lines" });
        const page = await open(`${at}/tree`);
        await page.getByLabel("Capability").selectOption("currency:gold");
        await page.getByLabel("Period of the limits").selectOption("P1M");
        await page.getByRole("row", { name: /Line up.*month.*20 used of 1,000/ }).waitFor();
        await use(29, { squadId: "lines" });
        await page.getByRole("row", { name: /Line up.*month.*49 used of 1,000/ }).waitFor();
        await page.getByLabel("Period of the limits").selectOption("PT15M");
        await page.getByRole("row", { name: /Line up.*15 min.*49 used of 50/ }).waitFor();
        await page.getByLabel("Period of the limits").selectOption("");
        const meaning = () =>
          page
            .getByRole("row", { name: /Line up/ })
            .locator(".period")
            .textContent();
        const first = await meaning();
        await limits([{ entityId: "lines", usageLimit: 400 }]);
        await page.getByRole("row", { name: /Line up/ }).waitFor();
        assert.equal(await meaning(), first);
        await page.close();
      },
    ],
    [
      "truth: archiving says what it releases, and takes what is below along where that is wanted",
      async () => {
        const page = await open(`${at}/tree?node=east`);
        await button("Archive", dialogOf(page)).click();
        const d = dialogOf(page);
        await d.getByText("1 entity below would go on without it:").waitFor();
        await d.getByText("Robot two").waitFor();
        await d.getByText("What this limit forbade is then granted").waitFor();
        assert.equal(await button("Archive", d).isDisabled(), true);
        await d.getByLabel("Archive all below it, too").check();
        await button("Archive 2", d).click();
        await page.getByText("East wing archived, with 1 below").waitFor();
        assert.notEqual((await call("GET", "/customers/truth/entities/r2")).data.archivedAt, null);
        await button("Undo", page).last().click();
        await page.getByText(/^Undone/).waitFor();
        assert.equal((await call("GET", "/customers/truth/entities/r2")).data.archivedAt, null);
        await page.close();
      },
    ],
    [
      "truth: whoever leaves can be stopped, with all that is theirs, instead of letting it loose",
      async () => {
        const page = await open(`${at}/tree?node=east`);
        await button("Archive", dialogOf(page)).click();
        const d = dialogOf(page);
        await d.getByLabel(/freeze it with all below/).check();
        assert.equal(await button("Freeze", d).isDisabled(), true);
        await d.getByLabel("Reason").fill("has left");
        await button("Freeze", d).click();
        await page.getByText("East wing is frozen, with all below it").waitFor();
        assert.equal((await call("GET", "/customers/truth/entities/east")).data.archivedAt, null);
        assert.equal((await check(1, { robotId: "r2" })).data.isGranted, false);
        await button("Undo", page).last().click();
        await page.getByText(/^Undone/).waitFor();
        assert.equal((await call("GET", "/customers/truth/freezes")).data.length, 0);
        await page.close();
      },
    ],
    [
      "truth: a new limit says where it begins, and can count the period so far",
      async () => {
        await use(7, { robotId: "r1" });
        const page = await open(`${at}/tree?node=r1`);
        await button("Set a limit", dialogOf(page)).click();
        await dialogOf(page).getByLabel("What is limited").selectOption("currency:gold");
        await dialogOf(page)
          .getByLabel(/^Amount/)
          .fill("100");
        await dialogOf(page).getByText("it begins at 0").waitFor();
        await dialogOf(page).getByLabel("The beginning of its first period").check();
        await button("Set limit", dialogOf(page)).click();
        await page.getByText("Limit set: Gold 100 per month, 7 of it used").first().waitFor();
        await page.close();
      },
    ],
    [
      "truth: usage by who is below, then by a dimension, and the other way round",
      async () => {
        await use(3, { robotId: "r1", tier: "large" });
        await use(2, { robotId: "r1", tier: "small" });
        const page = await open(`${at}/tree?node=west`);
        await page.getByRole("tab", { name: "Usage" }).click();
        const d = dialogOf(page);
        await d.getByLabel("Usage of").selectOption("currency:gold");
        await d.getByLabel("By", { exact: true }).selectOption("$child");
        await d.getByLabel("Then by").selectOption("dimension");
        await d.getByLabel("Dimension").fill("tier");
        await d.getByRole("row", { name: /^Robot one \d+$/ }).waitFor();
        await d.getByRole("row", { name: "large 3" }).waitFor();
        await d.getByRole("row", { name: "small 2" }).waitFor();
        // The other way round, and nothing is asked for by default that is refused.
        await d.getByLabel("By", { exact: true }).selectOption("dimension");
        await d.getByLabel("Then by").selectOption("$child");
        await d.getByRole("row", { name: "large 3" }).waitFor();
        await d.getByRole("row", { name: "Robot one 3" }).waitFor();
        await page.close();
      },
    ],
    [
      "truth: usage by model and by agent, of a team and of all of it",
      async () => {
        await use(2, { robotId: "r1" });
        await use(5, { robotId: "r1", mind: "large" });
        await use(4, { robotId: "r2", mind: "large" });
        await use(1, { squadId: "west", mind: "small" });
        const page = await open(`${at}/tree?node=west`);
        const asked = [];
        page.on("response", r => r.url().includes("/usage?") && asked.push(r.status()));
        await page.getByRole("tab", { name: "Usage" }).click();
        const d = dialogOf(page);
        await d.getByLabel("Usage of").selectOption("currency:gold");
        await d.getByLabel("By", { exact: true }).selectOption("mind");
        await d.getByRole("row", { name: "Large mind 5" }).waitFor();
        await d.getByRole("row", { name: "Small mind 1" }).waitFor();
        await d.getByRole("row", { name: /^\(none\) \d+$/ }).waitFor(); // what the others before this recorded
        await d.getByLabel("Then by").selectOption("robotId");
        await d.getByRole("row", { name: "Robot one 5" }).waitFor();
        assert.equal(await d.getByRole("row", { name: /^Robot one \d+$/ }).count(), 2);
        // Of the model itself: which teams used it, and which of their agents.
        await page.goto(`${server.url}${at}/tree?node=large`);
        await page.getByRole("tab", { name: "Usage" }).click();
        await d.getByLabel("Usage of").selectOption("currency:gold");
        await d.getByLabel("By", { exact: true }).selectOption("squadId");
        await d.getByLabel("Then by").selectOption("robotId");
        await d.getByRole("row", { name: "West wing 5" }).waitFor();
        await d.getByRole("row", { name: "East wing 4" }).waitFor();
        await d.getByRole("row", { name: "Robot two 4" }).waitFor();
        assert.equal(await d.getByRole("alert").count(), 0);
        assert.ok(asked.length > 0 && asked.every(status => status === 200), `${asked}`);
        await page.close();
      },
    ],
    [
      "truth: a delivery that failed is sent again at once",
      async () => {
        let well = false;
        const heard = [];
        const receiver = createServer((_, res) => {
          heard.push(well);
          res.writeHead(well ? 200 : 500).end();
        });
        await new Promise(done => receiver.listen(0, "127.0.0.1", done));
        const hook = await call("POST", "/webhooks", { url: `http://127.0.0.1:${receiver.address().port}/in`, description: "flaky" });
        await call("POST", `/webhooks/${hook.data.id}/test`);
        const page = await open("/console/developers/webhooks");
        await page.getByRole("row", { name: /flaky/ }).getByRole("button", { name: "Open" }).click();
        await dialogOf(page)
          .getByRole("row", { name: /pending \d+ 500/ })
          .waitFor();
        well = true;
        await button("Send now", dialogOf(page)).click();
        await dialogOf(page)
          .getByRole("row", { name: /succeeded/ })
          .waitFor();
        assert.equal(heard.at(-1), true);
        await page.close();
        await call("DELETE", `/webhooks/${hook.data.id}`);
        receiver.close();
      },
    ],
    [
      "truth: jobs are listed with how they ended",
      async () => {
        await call("POST", "/rate-cards", {
          id: "gilt",
          currencyId: "gold",
          displayName: "Gilt",
          rates: [
            {
              featureId: (await call("POST", "/features", { id: "leaves", displayName: "Leaves", featureType: "NUMBER" })).data.id,
              amount: 1,
              per: 1,
              match: {},
            },
          ],
        });
        await call("POST", "/rate-cards/gilt/versions", { corrects: 1, rates: [{ featureId: "leaves", amount: 2, per: 1, match: {} }] });
        await call("POST", "/rate-cards/gilt/reprice", { from: new Date(Date.now() - 3_600_000).toISOString(), apply: false });
        const page = await open("/console/developers/jobs");
        await page.getByRole("row", { name: /Re-pricing by gilt, dry run.*succeeded.*customers/ }).waitFor();
        await page.close();
      },
    ],
    [
      "truth: a job that waits is cancelled, and no other one",
      async () => {
        const busy = await startServer();
        await busy.call("POST", "/features", { id: "leaves", displayName: "Leaves", featureType: "NUMBER" });
        await busy.call("POST", "/credits/custom-currencies", { id: "gold", displayName: "Gold", prepaid: false });
        const rates = amount => [{ featureId: "leaves", amount, per: 1, match: {} }];
        await busy.call("POST", "/rate-cards", { id: "gilt", currencyId: "gold", displayName: "Gilt", rates: rates(1) });
        await busy.call("POST", "/customers", { id: "acme" });
        await busy.call("POST", "/rate-cards/gilt/versions", { corrects: 1, rates: rates(2) });
        const page = await open("/console/developers/jobs", {}, busy);
        const usages = Array.from({ length: 100 }, () => ({ customerId: "acme", featureId: "leaves", value: 1 }));
        // There is twice as much to look through each time, until a job still waits when its end is asked for.
        for (let requests = 100, gone = false; !gone; requests *= 2) {
          for (let i = 0; i < requests; i += 8) await Promise.all(Array.from({ length: 8 }, () => busy.call("POST", "/usage", { usages })));
          const from = i => new Date(Date.now() - 3_600_000 - i).toISOString();
          const asked = Array.from({ length: 30 }, (_, i) =>
            busy.call("POST", "/rate-cards/gilt/reprice", { from: from(i), apply: false }),
          );
          await page.reload(); // it looks each second while there are open jobs, and each 10 s else
          try {
            await button("Cancel", page.getByRole("row", { name: /queued/ }).first()).click({ timeout: 5000 });
            await button("Cancel the job", dialogOf(page)).click();
            await page.getByRole("row", { name: /cancelled/ }).waitFor();
            gone = true;
          } catch (error) {
            if (requests > 3000) throw error;
          }
          const jobs = (await busy.call("GET", "/jobs?limit=100")).data;
          assert.equal(jobs.filter(j => j.status === "CANCELLED").length, gone ? 1 : 0);
          for (const j of jobs) await busy.call("POST", `/jobs/${j.id}/cancel`).catch(() => {}); // some have ended
          await Promise.all(asked);
        }
        await page.close();
        await busy.stop();
      },
    ],
    [
      "truth: a card of thousands of prices is looked through, and usage that was not understood is told",
      async () => {
        const prices = await startServer();
        const meter = { eventName: "llm", aggregation: { function: "SUM", field: "tokens.input" }, filters: [] };
        await prices.call("POST", "/features", { id: "input", displayName: "Input", featureType: "NUMBER", meter });
        await prices.call("POST", "/credits/custom-currencies", { id: "usd", displayName: "Dollars", prepaid: false });
        const rates = Array.from({ length: 5000 }, (_, i) => ({
          featureId: "input",
          amount: i,
          per: 1_000_000,
          match: { model: [`m${i}`] },
        }));
        await prices.call("POST", "/rate-cards", { id: "models", currencyId: "usd", displayName: "Models", rates });
        await prices.call("POST", "/customers", { id: "acme" });
        const usage = { prompt_tokens: 1, smell_tokens: 7 };
        await prices.call("POST", "/events", {
          events: [{ customerId: "acme", eventName: "llm", idempotencyKey: "1", dimensions: { model: "m1" }, usage }],
        });
        const page = await open("/console/catalogue/rates", {}, prices);
        await page.getByText("Usage that was not understood: llm m1 smell_tokens (1×)").waitFor();
        await button("Open", page).click();
        await page.getByText("200 of 5,000 shown").waitFor();
        await page.getByLabel("Find a price").fill("m4711");
        await page.getByText("1 of 1 shown").waitFor();
        await dialogOf(page).getByRole("cell", { name: "4,711" }).waitFor();
        await page.close();
      },
    ],
    [
      "truth: first steps stay until the first request has arrived",
      async () => {
        const empty = await startServer();
        const page = await open("/console", {}, empty);
        const steps = page.getByRole("region", { name: "First steps" });
        const done = async k => steps.getByText(`${k} of 6`).waitFor();
        await done(0);
        await steps.getByRole("link", { name: "Add entity types" }).waitFor();
        await empty.call("PUT", "/entity-types", { types: [{ id: "team", displayName: "Team", attributionKeys: ["teamId"] }] });
        await done(1);
        await empty.call("POST", "/features", { id: "llm-tokens", displayName: "LLM tokens", featureType: "NUMBER" });
        await empty.call("POST", "/customers", { id: "acme", name: "Acme Corp" });
        await done(3);
        await empty.call("PUT", "/customers/acme/entities", { entities: [{ id: "search", entityTypeId: "team", displayName: "Search" }] });
        await empty.call("PUT", "/customers/acme/assignments", {
          assignments: [{ entityId: "search", featureId: "llm-tokens", usageLimit: 1000, cadence: "P1D" }],
        });
        await empty.call("POST", "/api-keys", { name: "gateway", scope: "runtime" });
        await done(5);
        await steps.getByText("/entitlements/check?featureId=llm-tokens&requestedUsage=1&dimensions[teamId]=search").waitFor();
        await empty.call("GET", "/customers/acme/entitlements/check?featureId=llm-tokens&requestedUsage=1&dimensions[teamId]=search");
        await steps.waitFor({ state: "detached" });
        await page.close();
      },
    ],
  ];
}
