// What people ask first, by how many clicks it takes: who runs out, who spent most on a model,
// why somebody was stopped. And that a page at rest asks the server nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { startServer } from "./rig.mjs";

const day = 86_400_000;

/** A customer with five weeks of usage: the same every day, so that what is to come is known. */
export async function seed(call) {
  await call("PUT", "/entity-types", {
    types: [
      { id: "org", displayName: "Organisation", attributionKeys: ["orgId"] },
      { id: "department", displayName: "Department", attributionKeys: ["departmentId"] },
      { id: "team", displayName: "Team", attributionKeys: ["teamId"] },
      { id: "agent", displayName: "Agent", attributionKeys: ["agentId"] },
      { id: "model", displayName: "Model", attributionKeys: ["model"] },
    ],
  });
  await call("POST", "/credits/custom-currencies", {
    id: "credits",
    displayName: "Credits",
    prepaid: false,
    units: { singular: "credit", plural: "credits" },
  });
  await call("POST", "/customers", { id: "insight", name: "Insight Inc" });
  const entity = (id, entityTypeId, displayName, parentId) => ({ id, entityTypeId, displayName, ...(parentId ? { parentId } : {}) });
  await call("PUT", "/customers/insight/entities", {
    entities: [
      entity("all", "org", "Insight Inc"),
      entity("eng", "department", "Engineering", "all"),
      entity("legal", "department", "Legal", "all"),
      entity("sales", "department", "Sales", "all"),
      entity("backend", "team", "Backend", "eng"),
      entity("mobile", "team", "Mobile", "eng"),
      entity("contracts", "team", "Contracts", "legal"),
      entity("partners", "team", "Partners", "sales"),
      entity("doctor", "agent", "Pipeline doctor", "backend"),
      entity("tester", "agent", "Test writer", "mobile"),
      entity("reader", "agent", "Contract reader", "contracts"),
      entity("mailer", "agent", "Mail drafter", "partners"),
      entity("fjord-large", "model", "Fjord large"),
      entity("fjord-small", "model", "Fjord small"),
    ],
  });
  const now = new Date();
  const days = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 0)).getUTCDate();
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  const each = { doctor: ["fjord-large", 100], tester: ["fjord-small", 40], reader: ["fjord-large", 130], mailer: ["fjord-small", 25] };
  const items = [];
  for (let d = 34; d >= 0; d--)
    for (const [agent, [model, amount]] of Object.entries(each))
      items.push({
        customerId: "insight",
        currencyId: "credits",
        // Sales wakes up last week, and everybody varies a little from weekday to weekday.
        amount: amount * (agent === "mailer" && d < 12 ? 3 : 1) + (agent === "tester" ? ((d * 7) % 5) * 4 : 0),
        dimensions: { agentId: agent, model },
        createdAt: new Date(Math.min(today - d * day + 1000, Date.now())).toISOString(),
        idempotencyKey: `seed-${agent}-${d}`,
      });
  // Of Engineering's 100 a day and more: half a day's too little for the month, whatever day it is.
  const limit = (entityId, usageLimit, more = {}) => ({
    entityId,
    currencyId: "credits",
    usageLimit,
    cadence: "P1M",
    countFrom: "periodStart",
    ...more,
  });
  for (let i = 0; i < items.length; i += 100) await call("POST", "/credits/consumption/async", { consumptions: items.slice(i, i + 100) });
  await call("PUT", "/customers/insight/assignments", {
    assignments: [
      limit("all", 20_000),
      limit("eng", 9000),
      limit("legal", 5000),
      limit("sales", 3000),
      limit("backend", 100 * days - 50),
      limit("contracts", 130 * days * 3),
      limit("reader", 10, { cadence: "P1D", label: "daily", countFrom: "now" }),
    ],
  });
}

export async function insightTests(browser) {
  const server = await startServer(["--late-horizon", "840h"]);
  const { call } = server;
  let page;
  let clicks = 0;
  const click = async what => {
    clicks++;
    await what.click();
  };
  /** A choice of a list counts as a click. */
  const choose = async (label, value) => {
    clicks++;
    await page.getByLabel(label, { exact: true }).selectOption(value);
  };
  async function begin(path, options = {}) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, timezoneId: "UTC", ...options });
    page.setDefaultTimeout(60_000);
    await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), server.key);
    await page.goto(server.url + path);
    clicks = 0;
  }
  const panel = name => page.getByRole("region", { name });
  const rowsOf = where => where.locator("tbody tr");

  return [
    [
      "insight: who runs out this month, in one click",
      async () => {
        await seed(call);
        await begin("/console/customers");
        await click(page.getByRole("link", { name: "Insight Inc" }));
        const first = rowsOf(panel("Runs out this month")).first();
        await first.getByText("Backend").waitFor();
        // On the last day of a month that is used up which half a day more would have.
        const already = panel("Runs out this month").locator("table").filter({ hasText: "Used up already" });
        if ((await already.getByText("Backend").count()) === 0) assert.match(await first.textContent(), /\d+ [A-Z][a-z]{2}/);
        assert.equal(await rowsOf(panel("Runs out this month")).filter({ hasText: "Contracts" }).count(), 0);
        assert.equal(clicks, 1);
      },
    ],
    [
      "insight: this month against its budget, and where it leads",
      async () => {
        const headline = page.getByRole("region", { name: "This month" });
        await headline.getByText(/of 20k/).waitFor();
        await headline.getByText(/within the budget/).waitFor();
        await headline.getByRole("heading", { name: "Insight Inc" }).waitFor();
        const below = panel("Below Insight Inc");
        assert.deepEqual((await below.locator("tbody button.link").allTextContents()).sort(), ["Engineering", "Legal", "Sales"]);
        const models = await rowsOf(panel("By model")).allTextContents();
        assert.match(models[0], /Fjord large/);
        assert.match(models[1], /Fjord small/);
      },
    ],
    [
      "insight: who spent most on a model last week, in three clicks",
      async () => {
        await begin("/console/customers/insight");
        await click(page.getByRole("link", { name: "Usage", exact: true }));
        await choose("Period", { label: "Last week" });
        await choose("Then by", { label: "Team" });
        const rows = page.locator(".explorer .panel tbody tr");
        await rows.nth(1).getByText("Contracts").waitFor();
        assert.match(await rows.nth(0).textContent(), /Fjord large.*1,610/);
        assert.match(await rows.nth(1).textContent(), /Contracts.*910/);
        assert.match(await rows.nth(2).textContent(), /Backend.*700/);
        assert.equal(clicks, 3);
      },
    ],
    [
      "insight: what is explored has an address, and is a CSV",
      async () => {
        const waiting = page.waitForEvent("download");
        await page.getByRole("button", { name: "Export CSV" }).click();
        const text = readFileSync(await (await waiting).path(), "utf8")
          .trim()
          .split("\r\n");
        assert.equal(text[0], "from,to,name,id,thenName,thenId,used,usedInWholeDays,before,change");
        assert.match(text[1], /Fjord large,fjord-large,Contracts,contracts,910,910,910,0$/);
        const address = page.url();
        await begin(address.slice(server.url.length));
        await page.locator(".explorer .panel tbody tr").nth(1).getByText("Contracts").waitFor();
        assert.equal(await page.getByLabel("Period", { exact: true }).inputValue(), "lastWeek");
      },
    ],
    [
      "insight: a key that is no entity's is a dimension, and without its name nothing is shown",
      async () => {
        await begin("/console/customers/insight/usage?by=region&range=lastWeek");
        await page.locator(".explorer .panel tbody tr").first().waitFor();
        assert.equal(await page.getByLabel("By", { exact: true }).inputValue(), "dimension");
        // What was asked before is not shown, nor exported, as what is asked now.
        await page.route("**/usage?*", () => {});
        await page.getByLabel("Period", { exact: true }).selectOption({ label: "30 days" });
        await page.locator(".explorer .panel").waitFor({ state: "detached" });
        assert.ok(await page.getByRole("button", { name: "Export CSV" }).isDisabled());
        await page.getByLabel("Period", { exact: true }).selectOption({ label: "Last week" });
        await page.locator(".explorer .panel tbody tr").first().waitFor();
        await page.getByLabel("Dimension", { exact: true }).fill("");
        await page.locator(".explorer .panel").waitFor({ state: "detached" });
        assert.ok(await page.getByRole("button", { name: "Export CSV" }).isDisabled());
      },
    ],
    [
      "insight: where nobody is above all others, the whole customer is shown",
      async () => {
        await call("POST", "/customers", { id: "flat", name: "Flat" });
        const user = n => ({ id: `user-${n}`, entityTypeId: "team", displayName: `User ${n}` });
        await call("PUT", "/customers/flat/entities", {
          entities: [
            ...Array.from({ length: 30 }, (_, n) => user(n)),
            { id: "helper", entityTypeId: "agent", displayName: "Helper", parentId: "user-7" },
          ],
        });
        for (const [teamId, amount] of [
          ["user-1", 50],
          ["user-7", 5],
        ])
          await call("POST", "/credits/consumption", {
            customerId: "flat",
            currencyId: "credits",
            amount,
            dimensions: { teamId },
            idempotencyKey: `flat-${teamId}`,
          });
        await begin("/console/customers/flat");
        const headline = page.getByRole("region", { name: "This month" });
        await headline.getByRole("heading", { name: "All usage" }).waitFor();
        await headline.getByText("55", { exact: true }).waitFor();
        const who = panel("Team").locator("tbody button.link");
        await who.first().getByText("User 1", { exact: true }).waitFor();
        assert.deepEqual(await who.allTextContents(), ["User 1", "User 7"]);
        // No forecast: what was used is there all the same, and the panel says why it is not.
        await page.route("**/forecast?*", r => r.fulfill({ status: 503, body: "{}" }));
        await page.reload();
        await headline.getByText("55", { exact: true }).waitFor();
        await panel("Runs out in its period").getByRole("button", { name: "Try again" }).waitFor();
      },
    ],
    [
      "insight: a budget of another month, and what does not add up, are told as what they are",
      async () => {
        const feature = { id: "peak", displayName: "Peak", featureType: "NUMBER", featureUnitsPlural: "seats" };
        const meter = { eventName: "seats", aggregation: { function: "MAX", field: "n" }, filters: [] };
        await call("POST", "/features", { ...feature, meter });
        await call("POST", "/customers", { id: "anchored", name: "Anchored" });
        await call("PUT", "/customers/anchored/entities", {
          entities: [
            { id: "top", entityTypeId: "org", displayName: "Top" },
            { id: "part", entityTypeId: "team", displayName: "Part", parentId: "top" },
          ],
        });
        const away = new Date(Date.now() - 15 * day).toISOString();
        await call("PUT", "/customers/anchored/assignments", {
          assignments: [
            { entityId: "top", currencyId: "credits", usageLimit: 700, cadence: "P1M", anchor: away },
            { entityId: "part", featureId: "peak", usageLimit: 12, cadence: "P1M" },
          ],
        });
        await call("POST", "/credits/consumption", {
          customerId: "anchored",
          currencyId: "credits",
          amount: 70,
          dimensions: { teamId: "part" },
          idempotencyKey: "anchored",
        });
        const event = { customerId: "anchored", eventName: "seats", dimensions: { teamId: "part", n: 9 }, idempotencyKey: "peak" };
        await call("POST", "/events", { events: [event] });
        await begin("/console/customers/anchored");
        const headline = page.getByRole("region", { name: "This month" });
        await headline.getByText(/Used per month, since/).waitFor();
        assert.equal(await headline.getByText(/^Budget/).count(), 0);
        await page.getByLabel("Capability").selectOption({ label: "Peak" });
        await panel("Limits at the top").getByText("of 12").waitFor();
        assert.match(await rowsOf(panel("Limits at the top")).first().textContent(), /Part.*9 of 12/);
        assert.equal(await headline.count(), 0);
      },
    ],
    [
      "insight: limits of a highest value and of different ones are explained in their own words",
      async () => {
        const meter = (fn, field) => ({ eventName: "work", aggregation: { function: fn, field }, filters: [] });
        await call("POST", "/features", { id: "top-speed", displayName: "Top speed", featureType: "NUMBER", meter: meter("MAX", "v") });
        await call("POST", "/features", { id: "faces", displayName: "Faces", featureType: "NUMBER", meter: meter("UNIQUE", "who") });
        await call("PUT", "/entity-types", { types: [{ id: "team", displayName: "Team", attributionKeys: ["teamId"] }] });
        await call("POST", "/customers", { id: "kinds", name: "Kinds" });
        await call("PUT", "/customers/kinds/entities", { entities: [{ id: "crew", entityTypeId: "team", displayName: "Crew" }] });
        await call("PUT", "/customers/kinds/assignments", {
          assignments: [
            { entityId: "crew", featureId: "top-speed", usageLimit: 12, cadence: "P1M" },
            { entityId: "crew", featureId: "faces", usageLimit: 3, cadence: "P1M" },
          ],
        });
        const event = (who, v) => ({ customerId: "kinds", eventName: "work", dimensions: { teamId: "crew", who, v }, idempotencyKey: who });
        await call("POST", "/events", { events: [event("a", 9), event("b", 4)] });
        await begin("/console/customers/kinds/explain");
        const answer = page.getByRole("region", { name: "Answer" });
        const ask = async (of, amount) => {
          await page.getByLabel("Usage of").selectOption({ label: of });
          await page.getByLabel("Value of teamId").fill("crew");
          await page.getByLabel("Amount").fill(amount);
          await page.getByRole("button", { name: "Explain", exact: true }).click();
        };
        const key = page.getByLabel("Key", { exact: true }).first();
        await key.fill("teamId");
        await ask("Top speed", "11");
        await answer.getByText("the higher of 9 highest so far and 11 asked: 11 ≤ 12").waitFor();
        await answer.getByText("Yes: 11 would be granted").waitFor();
        await ask("Top speed", "15");
        await answer.getByText("the higher of 9 highest so far and 15 asked: 15 > 12").waitFor();
        await answer.getByText("needs a limit of 15 (3 more)").waitFor();
        await ask("Faces", "2");
        await answer.getByText("2 different so far + 0 held + 2 more = 4 > 3").waitFor();
        await begin("/console/customers/kinds/tree?node=crew");
        const drawer = page.getByRole("dialog").last();
        const figures = of => drawer.getByRole("region", { name: of }).locator("dl").textContent();
        await drawer.getByText("Passes up to").waitFor();
        assert.match(await figures("Top speed"), /Highest so far9.*Passes up to12/);
        assert.match(await figures("Faces"), /Different so far2.*Remaining1/);
        // A limit as high as what came still lets that through.
        await drawer.getByRole("region", { name: "Top speed" }).getByRole("button", { name: "Edit" }).click();
        await drawer.getByLabel(/^Amount/).fill("9");
        await drawer.getByText("Now 12; the highest so far is 9. Then 9 (-25%).").waitFor();
        await drawer.getByLabel(/^Amount/).fill("8");
        await drawer.getByText(/which is used up: requests are stopped at once/).waitFor();
      },
    ],
    [
      "insight: whoever is frozen already is not frozen again, and so not thawed by taking that back",
      async () => {
        await call("POST", "/customers/insight/entities/legal/freeze", { reason: "fraud" });
        await begin("/console/customers/insight/tree?node=legal");
        await page.getByRole("button", { name: "Archive", exact: true }).click();
        await page.getByText("It is frozen already, with all below it: fraud.").waitFor();
        assert.equal(await page.getByRole("radio", { name: /freeze it/ }).count(), 0);
        await call("POST", "/customers/insight/entities/legal/thaw", {});
      },
    ],
    [
      "insight: why an agent was stopped this morning, in two clicks",
      async () => {
        // The second does not fit, and is refused.
        for (const n of [1, 2])
          await call("POST", "/customers/insight/consume", {
            currencyId: "credits",
            amount: 6,
            dimensions: { agentId: "reader", model: "fjord-large" },
            idempotencyKey: `morning-${n}`,
          }).catch(e => assert.match(e.message, /402/));
        await begin("/console/customers");
        await click(page.getByRole("link", { name: "Insight Inc" }));
        await click(panel("Stopped lately").getByRole("button", { name: "Contract reader" }));
        await page.getByRole("region", { name: "Answer" }).getByText("Contract reader").first().waitFor();
        assert.ok(clicks <= 4, `${clicks} clicks`);
      },
    ],
    [
      "insight: Home says what needs attention: messages that do not arrive, and a pool that ends",
      async () => {
        await call("POST", "/credits/custom-currencies", { id: "coins", displayName: "Coins", prepaid: true });
        await call("POST", "/credits/grants", {
          customerId: "insight",
          currencyId: "coins",
          amount: 30,
          displayName: "Order",
          grantType: "PAID",
        });
        await call("POST", "/credits/consumption", { customerId: "insight", currencyId: "coins", amount: 20, idempotencyKey: "coins" });
        const hook = (await call("POST", "/webhooks", { url: "http://127.0.0.1:9/", description: "Finance alerts" })).data;
        await call("POST", `/webhooks/${hook.id}/test`, {});
        await begin("/console");
        await page.route("**/rate-cards/unpriced*", r => r.fulfill({ status: 403, body: "{}" }));
        await page.reload();
        const at = page.getByRole("region", { name: "Needs attention" });
        await at.getByText(/Finance alerts.*does not take messages/).waitFor({ timeout: 90_000 });
        await at.getByText(/Not known whether usage has a price/).waitFor();
        await at.getByText(/Insight Inc.*Coins.*last 3 days/).waitFor({ timeout: 90_000 });
        await at.getByRole("link", { name: /Look/ }).last().click();
        await page.getByRole("heading", { name: "Insight Inc" }).waitFor();
      },
    ],
    [
      "insight: the drawer says where its limits lead",
      async () => {
        await begin("/console/customers/insight/tree?node=backend");
        const pulse = page.getByRole("dialog").getByRole("region", { name: /last 30 days/ });
        await pulse.getByText(/credits in 30 days/).waitFor();
        await pulse.getByText(/runs out/).waitFor();
        assert.ok(await pulse.getByRole("img", { name: /of the last 30 days/ }).isVisible());
        // Of one that is archived it does not show the limits of those below.
        await call("POST", "/customers/insight/entities/archive", { ids: ["legal"], descendants: false });
        const read = page.waitForResponse(r => r.url().includes("/forecast?"));
        await page.goto(`${server.url}/console/customers/insight/tree?node=legal`);
        await pulse.getByText(/credits in 30 days/).waitFor();
        await (await read).finished();
        await page.evaluate(() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn))));
        assert.equal(await pulse.getByText(/runs out/).count(), 0);
        await call("POST", "/customers/insight/entities/unarchive", { ids: ["legal"] });
      },
    ],
    [
      "insight: a view is saved by its name, is in the address, prints without what chooses it, and is deleted",
      async () => {
        await begin("/console/customers/insight/usage?by=model&range=lastWeek");
        const rows = page.locator(".explorer .panel tbody tr");
        await rows.first().getByText("Fjord large").waitFor();
        await page.getByRole("button", { name: "Save view" }).click();
        await page.getByLabel("Name", { exact: true }).fill("Models, last week");
        await page.keyboard.press("Enter");
        const views = page.getByLabel("Saved views");
        assert.equal(await views.inputValue(), "Models, last week");
        await page.getByLabel("Period", { exact: true }).selectOption({ label: "30 days" });
        assert.equal(await views.inputValue(), "");
        await page.reload();
        await views.selectOption({ label: "Models, last week" });
        assert.equal(await page.getByLabel("Period", { exact: true }).inputValue(), "lastWeek");
        assert.match(page.url(), /range=lastWeek/);
        await rows.first().getByText("Fjord large").waitFor();
        // Another customer has its own.
        await page.goto(`${server.url}/console/customers/flat/usage`);
        await page.getByRole("button", { name: "Save view" }).waitFor();
        assert.equal(await views.count(), 0);
        await page.goto(`${server.url}/console/customers/insight/usage?by=model&range=lastWeek`);
        await rows.first().waitFor();
        await page.emulateMedia({ media: "print", colorScheme: "dark" });
        await page.getByText(/insight · Usage of Credits · by model · /).waitFor();
        for (const gone of [
          page.getByLabel("Period", { exact: true }),
          page.getByRole("navigation").first(),
          page.getByRole("button", { name: "Export CSV" }),
        ])
          assert.equal(await gone.isVisible(), false);
        assert.ok(await rows.first().isVisible());
        assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
        await page.emulateMedia({ media: null, colorScheme: null });
        await page.getByRole("button", { name: "Delete view" }).click();
        await page.getByRole("button", { name: "Save view" }).waitFor();
        await page.locator(".toast").getByRole("button", { name: "Undo" }).click();
        await page.getByRole("button", { name: "Delete view" }).click();
        assert.equal(await views.count(), 0);
      },
    ],
    [
      "insight: the head of a column puts rows in order, and again the other way round",
      async () => {
        const names = async () => (await page.locator(".explorer .panel tbody tr td:first-child").allTextContents()).slice(0, 2);
        assert.deepEqual(await names(), ["Fjord large", "Fjord small"]);
        const head = page.getByRole("columnheader", { name: "Name" });
        await head.getByRole("button").click();
        assert.equal(await head.getAttribute("aria-sort"), "ascending");
        assert.deepEqual(await names(), ["Fjord large", "Fjord small"]);
        await head.getByRole("button").focus();
        await page.keyboard.press("Enter");
        assert.equal(await head.getAttribute("aria-sort"), "descending");
        assert.deepEqual(await names(), ["Fjord small", "Fjord large"]);
        await page.goto(`${server.url}/console/customers/insight/tree`);
        const grid = page.getByRole("treegrid");
        await grid.getByRole("row", { name: /Engineering/ }).waitFor();
        await grid.getByRole("button", { name: "Name" }).click();
        await grid.locator('[role="columnheader"][aria-sort="ascending"]', { hasText: "Name" }).waitFor();
        await page.waitForFunction(() => {
          const names = [...document.querySelectorAll('[role="row"][aria-level="1"] .name')].map(e => e.textContent);
          return names.join() === "Fjord large,Fjord small,Insight Inc";
        });
      },
    ],
    [
      "insight: by keyboard somebody is found, a page gone to, a search field reached, and the keys are told",
      async () => {
        await begin("/console/customers/insight/tree");
        await page.getByRole("treegrid").waitFor();
        await page.keyboard.press("Control+k");
        const find = page.getByRole("combobox", { name: "Find or do" });
        await find.fill("contract read");
        await page.getByRole("option", { name: /Contract reader/ }).waitFor();
        await page.keyboard.press("Enter");
        await page.getByRole("dialog").getByRole("heading", { name: "Contract reader" }).waitFor();
        await page.keyboard.press("Control+k");
        await find.fill("rate cards");
        await page.keyboard.press("Enter");
        await page.locator('.tabs [aria-current="page"]', { hasText: "Rate cards" }).waitFor();
        await page.keyboard.press("Control+k");
        await find.fill("insight inc");
        await page.getByRole("option", { name: /Insight Inc/ }).waitFor();
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: "Insight Inc" }).first().waitFor();
        await page.keyboard.press("Control+k");
        await find.fill("budgets");
        await page.keyboard.press("Enter");
        await page.getByRole("treegrid").waitFor();
        await page.keyboard.press("/");
        await page.keyboard.type("??");
        assert.equal(await page.getByLabel("Find by name or id").inputValue(), "??");
        await page.getByLabel("Find by name or id").fill("");
        await page.getByRole("treegrid").focus();
        await page.keyboard.press("?");
        await page.getByRole("dialog").getByText("Find somebody, go to a page, or do something").waitFor();
        await page.keyboard.press("Escape");
        await page.keyboard.press("Control+k");
        await find.fill("add people");
        await page.keyboard.press("Enter");
        await page.getByLabel("One on each line").waitFor();
      },
    ],
    [
      "insight: a customer's admin sees only theirs, and a page at rest asks for nothing",
      async () => {
        const token = (
          await call("POST", "/customers/insight/access-tokens", { permissions: ["read"], rootEntityId: "eng", expiresInSeconds: 3600 })
        ).data.token;
        await page.close();
        page = await browser.newPage({ viewport: { width: 900, height: 900 }, timezoneId: "UTC" });
        page.setDefaultTimeout(60_000);
        await page.clock.install();
        await page.goto(`${server.url}/embed#customer=insight&token=${token}`);
        await rowsOf(panel("Runs out this month")).first().getByText("Backend").waitFor();
        const below = await panel("Below Engineering").locator("tbody button.link").allTextContents();
        assert.deepEqual(below.sort(), ["Backend", "Mobile"]);
        const text = await page.locator("body").textContent();
        assert.ok(!/Legal|Contracts|Sales|Partners/.test(text), text);
        // Models are beside the subtree, so their names are not for this token.
        assert.equal(await panel("By model").count(), 0);
        await page.waitForLoadState("networkidle");
        const asked = [];
        page.on("request", r => asked.push(r.url()));
        await page.clock.fastForward(120_000);
        await page.clock.runFor(5_000);
        assert.deepEqual(asked, []);
        await page.close();
        page = undefined;
      },
    ],
  ];
}
