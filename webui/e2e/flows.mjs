// What people do in the console, one after the other on one server.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { out } from "./rig.mjs";

const huge = "999999999999999.123456789";

export function flowTests(browser, server, createServer) {
  const { call } = server;
  let page;
  const dialog = () => page.getByRole("dialog").last();
  const field = label => dialog().getByLabel(label, { exact: true });
  const button = (name, within = page) => within.getByRole("button", { name, exact: true });
  const toast = text => page.getByText(text).last().waitFor();
  // Toasts of an earlier undo are gone before the next one is asked for.
  const undo = async () => {
    await page
      .getByText(/Undone/)
      .first()
      .waitFor({ state: "detached" });
    await button("Undo").last().click();
    await toast(/Undone/);
  };
  const row = name => page.getByRole("row", { name });

  return [
    [
      "flow: sign in",
      async () => {
        page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
        page.setDefaultTimeout(8000);
        page.problems = [];
        page.on("console", m => /Content Security Policy|Uncaught/.test(m.text()) && page.problems.push(m.text()));
        page.on("pageerror", e => page.problems.push(e.message));
        await page.goto(server.url);
        await page.getByLabel("API key").fill("bsk_wrong");
        await button("Sign in").click();
        await page.getByText("not known").waitFor();
        await page.getByLabel("API key").fill(server.key);
        await button("Sign in").click();
        await page.getByRole("heading", { name: "Home" }).waitFor();
      },
    ],
    [
      "flow: an empty server teaches the first steps",
      async () => {
        await page.getByRole("heading", { name: "First steps" }).waitFor();
        const steps = page.getByRole("region", { name: "First steps" });
        await steps.getByText("/api/v1/entity-types").first().waitFor();
        await steps.getByRole("link", { name: "Add entity types" }).waitFor();
      },
    ],
    [
      "flow: catalogue",
      async () => {
        await page.goto(`${server.url}/console/catalogue/types`);
        for (const [id, name, keys] of [
          ["org", "Organisation", "orgId"],
          ["team", "Team", "teamId"],
          ["agent", "Agent", "agentId, botId"],
        ]) {
          await button("Add a type").click();
          await field("Id").fill(id);
          await field("Name").fill(name);
          await field("Attribution keys").fill(keys);
          await button("Save", dialog()).click();
          await toast(`${name} saved`);
        }
        await page.goto(`${server.url}/console/catalogue/features`);
        await button("Add a feature").click();
        await field("Id").fill("tokens");
        await field("Name").fill("LLM tokens");
        await dialog().getByLabel("Fed by events").check();
        await field("Event name").fill("llm");
        await field("Of property").fill("tokens.input");
        await button("Save", dialog()).click();
        await page.getByText("sum of tokens.input in llm events").waitFor();
        await page.goto(`${server.url}/console/catalogue/currencies`);
        await button("Add a currency").click();
        await field("Id").fill("credits");
        await field("Name").fill("Credits");
        await button("Save", dialog()).click();
        await toast("Credits saved");
        await page.goto(`${server.url}/console/catalogue/rates`);
        await button("Add a rate card").click();
        await field("Id").fill("models");
        await field("Name").fill("Models");
        await field("When").fill("model=large|larger");
        await field("Price per million").fill("2.5");
        await button("Save", dialog()).click();
        await toast("Models saved");
        await button("Open").click();
        await button("New version", dialog()).click();
        await field("Price per million").fill("3");
        await button("Save", dialog()).click();
        await page.getByText("2.5 → 3").waitFor();
        const card = await call("GET", "/rate-cards/models");
        assert.deepEqual(card.data.rates[0], { featureId: "tokens", amount: 3, per: 1000000, match: { model: ["large", "larger"] } });
      },
    ],
    [
      "flow: a customer and its tree",
      async () => {
        await page.goto(`${server.url}/console/customers`);
        await button("Add a customer").first().click();
        await field("Id").fill("acme");
        await field("Name").fill("Acme Corp");
        await button("Add", dialog()).click();
        await page.getByText("No departments, teams, users or agents yet").waitFor();
        await button("Add").click();
        await field("Name").fill("Acme");
        await field("Type").selectOption("org");
        await button("Add", dialog()).click();
        await row(/Acme/).waitFor();
        for (const [id, name, type, below] of [
          ["search", "Search", "team", "acme"],
          ["ads", "Ads", "team", "acme"],
          ["bot", "Bot", "agent", "search"],
        ])
          await call("PUT", "/customers/acme/entities", { entities: [{ id, displayName: name, entityTypeId: type, parentId: below }] });
        await button("Read again").click();
        await row(/Search/).waitFor();
      },
    ],
    [
      "flow: a limit keeps every digit",
      async () => {
        await page.getByLabel("Capability").selectOption("currency:credits");
        await row(/^Select Acme|Acme/)
          .first()
          .click();
        await button("Set a limit", dialog()).click();
        await dialog()
          .getByLabel(/^Amount/)
          .fill(huge);
        await button("Set limit", dialog()).click();
        await toast(/Limit set/);
        const text = await (
          await fetch(`${server.api}/api/v1/customers/acme/assignments`, { headers: { "X-API-KEY": server.key } })
        ).text();
        assert.ok(text.includes(`"usageLimit":${huge}`), text);
        await dialog().getByTitle("999,999,999,999,999.123456789").first().waitFor();
        await page.keyboard.press("Escape");
        await page.getByTitle("999,999,999,999,999.123456789").first().waitFor();
      },
    ],
    [
      "flow: keyboard, from the table into a node and back",
      async () => {
        await page.getByRole("treegrid").focus();
        const active = () =>
          page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.textContent);
        await page.keyboard.press("Home");
        await page.keyboard.press("ArrowLeft");
        assert.equal(await page.getByRole("row", { expanded: true }).count(), 0);
        await page.keyboard.press("ArrowRight");
        await row(/Search/).waitFor();
        await page.keyboard.press("ArrowDown");
        assert.match(await active(), /Ads|Search/);
        await page.keyboard.press("Enter");
        await dialog().waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
        assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "treegrid");
        await page.keyboard.press("ArrowLeft");
        assert.match(await active(), /Acme/);
      },
    ],
    [
      "flow: usage shows, a draft is tested against it, an edit is undone",
      async () => {
        await call("PUT", "/customers/acme/assignments", {
          assignments: [{ entityId: "search", currencyId: "credits", usageLimit: 100, cadence: "P1D" }],
        });
        await call("POST", "/credits/grants", {
          customerId: "acme",
          currencyId: "credits",
          amount: 1000,
          displayName: "First",
          grantType: "PAID",
        });
        for (let i = 0; i < 9; i++)
          await call("POST", "/customers/acme/consume", {
            currencyId: "credits",
            amount: 10,
            dimensions: { teamId: "search", model: "large" },
            idempotencyKey: `c${i}`,
          });
        await row(/Search.*Near/).waitFor({ timeout: 15_000 });
        await row(/Search/).click();
        await button("Edit", dialog()).click();
        await dialog()
          .getByLabel(/^Amount/)
          .fill("50");
        await dialog().getByText("It would have stopped 4 of 9 requests").waitFor();
        await button("Save", dialog()).click();
        await toast(/Limit changed/);
        await dialog().getByText("Blocked").waitFor();
        await undo();
        const got = await call("GET", "/customers/acme/assignments?entityId=search");
        assert.equal(got.data[0].usageLimit, 100);
      },
    ],
    [
      "flow: boost, usage, history",
      async () => {
        await button("Boost", dialog()).click();
        await field("Amount").fill("25");
        await field("Reason").fill("launch week");
        await button("Boost", dialog()).click();
        await page.getByText("launch week").waitFor();
        await button("End now", dialog()).click();
        await toast("Boost of 25 ended");
        await page.getByRole("tab", { name: "Usage" }).click();
        await page.getByLabel("By", { exact: true }).selectOption("dimension");
        await field("Dimension").fill("model");
        await page.getByRole("cell", { name: "large" }).waitFor();
        await page.locator("canvas").waitFor();
        await page.getByRole("tab", { name: "History" }).click();
        await page.getByText("Boost created").waitFor();
      },
    ],
    [
      "flow: freeze with a reason, and thaw",
      async () => {
        const frozen = async () => (await call("GET", "/customers/acme/freezes")).data.map(f => `${f.entityId}: ${f.reason}`);
        await button("Freeze", dialog()).click();
        assert.ok(await button("Freeze", dialog()).isDisabled(), "it can be frozen without a reason");
        await field("Reason").fill("runaway");
        await button("Freeze", dialog()).click();
        await toast(/is frozen/);
        await dialog().getByText("This is frozen: runaway").waitFor();
        assert.deepEqual(await frozen(), ["search: runaway"]);
        await button("Thaw", dialog()).click();
        await button("Thaw", dialog()).click();
        await toast(/is frozen no more/);
        await dialog().getByText("This is frozen: runaway").waitFor({ state: "detached" });
        assert.deepEqual(await frozen(), []);
      },
    ],
    [
      "flow: rename, move, archive",
      async () => {
        await button("Rename", dialog()).click();
        await field("Name").fill("Search & Find");
        await button("Save", dialog()).click();
        await toast(/Renamed/);
        await button("Move", dialog()).click();
        await field("Below").fill("ads");
        await page.getByRole("option").nth(1).waitFor({ state: "detached" });
        await page.getByRole("option", { name: /Ads/ }).click();
        await button("Move", dialog()).click();
        await toast(/moved below Ads/);
        assert.equal((await call("GET", "/customers/acme/entities/search")).data.parentId, "ads");
        await undo();
        assert.equal((await call("GET", "/customers/acme/entities/search")).data.parentId, "acme");
        await page.keyboard.press("Escape");
      },
    ],
    [
      "flow: several at once, and undone",
      async () => {
        await button("Read again").click();
        await row(/Search & Find/).waitFor();
        await page.getByLabel("Select Search & Find").check();
        await page.getByLabel("Select Ads").check();
        await button("Edit limits").click();
        await dialog()
          .getByLabel(/Amount/)
          .fill("500");
        await button("Change 2 limits", dialog()).click();
        await toast("2 limits changed");
        assert.equal((await call("GET", "/customers/acme/assignments?entityId=ads")).data[0].usageLimit, 500);
        await undo();
        assert.equal((await call("GET", "/customers/acme/assignments?entityId=ads")).data.length, 0);
        assert.equal((await call("GET", "/customers/acme/assignments?entityId=search")).data[0].usageLimit, 100);
      },
    ],
    [
      "flow: export is safe for spreadsheets, import shows what it would change",
      async () => {
        await call("PATCH", "/customers/acme/entities/search", { displayName: '=HYPERLINK("http://x","y")' });
        const [file] = await Promise.all([page.waitForEvent("download"), button("Export").click()]);
        const csv = join(out, "limits.csv");
        await file.saveAs(csv);
        const text = readFileSync(csv, "utf8");
        assert.ok(text.includes(`"'=HYPERLINK(""http://x"",""y"")"`), text);
        assert.ok(text.includes(huge), text);
        await button("Import").click();
        await page.setInputFiles("input[type=file]", {
          name: "a.csv",
          mimeType: "text/csv",
          buffer: Buffer.from(text.replace(/,100,P1D/, ",150,P1D")),
        });
        await dialog().getByText("1 changes").first().waitFor();
        await button("Apply 1 changes", dialog()).click();
        await toast("1 limits imported");
        assert.equal((await call("GET", "/customers/acme/assignments?entityId=search")).data[0].usageLimit, 150);
        await call("PATCH", "/customers/acme/entities/search", { displayName: "Search" });
      },
    ],
    [
      "flow: filters and ranking are the server's",
      async () => {
        await page.getByLabel("Find by name or id").fill("bot");
        await row(/Bot/).waitFor();
        await page.getByText("1", { exact: true }).first();
        await page.getByLabel("Find by name or id").fill("");
        await button("Ranked").click();
        await row(/Agent · in Search/)
          .first()
          .waitFor();
        await page.getByLabel("Status", { exact: true }).selectOption("over");
        await page.getByText("Nothing matches").waitFor();
        await button("Clear the filters").click();
      },
    ],
    [
      "flow: explain",
      async () => {
        await page.goto(`${server.url}/console/customers/acme/explain`);
        await page.getByLabel("Amount").fill("61");
        await page.getByLabel("Key").first().fill("teamId");
        await page.getByLabel("Value of teamId").fill("search");
        await button("Explain").click();
        const answer = page.getByRole("region", { name: "Answer" });
        await answer.getByText("90 used + 0 held + 61 asked = 151 > 150").waitFor();
        await answer.getByText("needs a limit of 151 (1 more)").first().waitFor();
        await answer.getByText("decides").waitFor();
        await page.getByLabel("Value of teamId").fill("serach");
        await button("Explain").click();
        await answer.getByText("teamId names nobody").waitFor();
      },
    ],
    [
      "flow: credits and holds",
      async () => {
        await page.goto(`${server.url}/console/customers/acme/credits`);
        await button("Grant credits").click();
        await field("Amount").fill("250");
        await field("Name").fill("Order 7");
        await field("Type").selectOption("PROMOTIONAL");
        await button("Grant", dialog()).click();
        await toast(/250/);
        const order = page.getByRole("table").first().getByRole("row");
        await order.filter({ hasText: "Order 7" }).waitFor();
        assert.match(await order.nth(1).textContent(), /Order 7/);
        await call("POST", "/customers/acme/reservations", {
          currencyId: "credits",
          amount: 5,
          dimensions: { teamId: "search" },
          idempotencyKey: "hold",
        });
        await page.goto(`${server.url}/console/customers/acme/holds`);
        await button("Release").click();
        await button("Release", dialog()).click();
        await page.getByText("No open holds").waitFor();
        await page.goto(`${server.url}/console/customers/acme/activity`);
        await page.getByText("Credit grant created").first().waitFor();
      },
    ],
    [
      "flow: a grant is voided",
      async () => {
        await page.goto(`${server.url}/console/customers/acme/credits`);
        await page
          .getByRole("row", { name: /Order 7/ })
          .getByRole("button", { name: "Void" })
          .click();
        await button("Void", dialog()).click();
        await toast("Grant voided");
        await page.getByRole("row", { name: /Order 7.*voided/ }).waitFor();
        const used = { customerId: "acme", currencyId: "credits", amount: 3, displayName: "Small", grantType: "PAID" };
        await call("POST", "/credits/grants", { ...used, priority: 0, expireAt: new Date(Date.now() + 86_400_000).toISOString() });
        await call("POST", "/customers/acme/consume", { currencyId: "credits", amount: 3, idempotencyKey: "small" });
        await page.reload();
        await page.getByRole("row", { name: /Small.*used up/ }).waitFor();
        const long = await call("POST", "/credits/grants", { ...used, displayName: "Long", amount: 123456789012.125, priority: 9 });
        await page.reload();
        const amount = page.getByRole("row", { name: /Long/ }).locator(".brief").first();
        const shown = () =>
          amount.evaluate(e =>
            [...e.children]
              .filter(c => getComputedStyle(c).display !== "none" && getComputedStyle(c).position === "static")
              .map(c => c.textContent),
          );
        assert.deepEqual(await shown(), ["123B"]);
        await amount.focus();
        assert.deepEqual(await shown(), ["123,456,789,012.125"]);
        await call("POST", `/credits/grants/${long.data.id}/void`);
      },
    ],
    [
      "flow: a corrected price is applied to what was charged",
      async () => {
        await call("POST", "/events", {
          events: [
            {
              customerId: "acme",
              eventName: "llm",
              idempotencyKey: "dear",
              dimensions: { teamId: "ads", model: "large", "tokens.input": 1_000_000 },
            },
          ],
        });
        await page.goto(`${server.url}/console/catalogue/rates`);
        await button("Open").click();
        assert.equal(await button("Re-price", dialog()).count(), 0);
        await button("New version", dialog()).click();
        await field("Price per million").fill("2");
        await field("Corrects").selectOption("2");
        await button("Save", dialog()).click();
        await button("Re-price", dialog()).click();
        await button("Dry run", dialog()).click();
        await dialog().getByText("Version 3 in place of version 2: 1 charge of 1 customer").waitFor();
        await dialog()
          .getByRole("row", { name: /^acme 3 2 -1 / })
          .waitFor();
        assert.equal((await call("GET", "/credits/ledger?customerId=acme&eventType=CREDITS_UPDATED")).data.length, 0);
        await button("Apply", dialog()).click();
        await page.getByRole("heading", { name: "Apply the corrected prices?" }).waitFor();
        await button("Apply", dialog()).click();
        await dialog().getByText("Applied: version 3 in place of version 2").waitFor();
        assert.equal((await call("GET", "/credits/ledger?customerId=acme&eventType=CREDITS_UPDATED")).data[0].amount, 1);
        await button("Dry run", dialog()).click();
        await dialog().getByText("Nothing to correct").waitFor();
      },
    ],
    [
      "flow: entitlements of a customer",
      async () => {
        await page.goto(`${server.url}/console/customers/acme/entitlements`);
        await button("Add an entitlement").click();
        await field("Limit").fill("1,000");
        await field("Resets").selectOption("MONTH");
        await field("Counted from").selectOption("StartOfTheMonth");
        await button("Save", dialog()).click();
        await page.getByRole("row", { name: /LLM tokens.*1,000.*every month.*never.*Active/ }).waitFor();
        const [made] = (await call("GET", "/customers/acme/promotional-entitlements")).data;
        assert.equal(made.usageLimit, 1000);
        assert.equal(made.resetPeriodConfiguration.accordingTo, "StartOfTheMonth");
        await call("POST", "/events", {
          events: [{ customerId: "acme", eventName: "llm", idempotencyKey: "own", dimensions: { "tokens.input": 400 } }],
        });
        await page.reload();
        await page.getByRole("row", { name: /LLM tokens.*400 · 40%/ }).waitFor();
        await button("Replace").click();
        assert.equal(await field("Limit").inputValue(), "1000");
        await dialog().getByLabel("Unlimited").check();
        await field("For").selectOption("custom");
        await field("Ends").fill("2099-12-31T00:00");
        await button("Save", dialog()).click();
        await page.getByRole("row", { name: /LLM tokens.*unlimited.*2099/ }).waitFor();
        await button("Delete").click();
        await button("Delete", dialog()).click();
        await page.getByText("No entitlements yet").waitFor();
      },
    ],
    [
      "flow: home names what stops requests, and leads to it",
      async () => {
        const scoped = { entityId: "ads", scopeEntityIds: ["bot"], currencyId: "credits" };
        const put = await call("PUT", "/customers/acme/assignments", { assignments: [{ ...scoped, usageLimit: 0, cadence: "P1D" }] });
        const check =
          "/customers/acme/entitlements/check?currencyId=credits&requestedUsage=1&dimensions[teamId]=ads&dimensions[agentId]=bot";
        assert.equal((await call("GET", check)).data.isGranted, false);
        await page.goto(`${server.url}/console`);
        await page.getByRole("row", { name: /Ads Acme Corp · Credits · on Bot/ }).waitFor();
        await page.getByRole("img", { name: /Requests of the last 30 minutes, at most [1-9]/ }).waitFor();
        await page.getByRole("link", { name: "Ads", exact: true }).click();
        await dialog().getByRole("heading", { name: "Ads" }).waitFor();
        await call("DELETE", `/customers/acme/assignments/${put.data[0].id}`);
      },
    ],
    [
      "flow: customers are found by part of id, name or email",
      async () => {
        await call("POST", "/customers", { id: "cus_8841", name: "Globex", email: "it@globex.example" });
        await page.goto(`${server.url}/console/customers`);
        for (const [text, found] of [
          ["CUS_88", /Globex/],
          ["lobe", /Globex/],
          ["it@", /Globex/],
          ["acm", /Acme Corp/],
        ]) {
          await page.getByLabel("Find by name, id or email").fill(text);
          await page.getByRole("row").nth(2).waitFor({ state: "detached" });
          await page.getByRole("row", { name: found }).waitFor();
        }
        await page.getByLabel("Find by name, id or email").fill("nobody");
        await page.getByText("has “nobody” in it").waitFor();
      },
    ],
    [
      "flow: keys",
      async () => {
        await page.goto(`${server.url}/console/developers/keys`);
        await button("Create a key").click();
        await field("Name").fill("reader");
        await field("Scope").selectOption("read");
        await button("Save", dialog()).click();
        const key = await dialog().locator("pre").textContent();
        assert.match(key, /^bsk_/);
        server.readKey = key;
        await button("Done", dialog()).click();
        await page.getByText("reader").waitFor();
        await button("Create a key").click();
        await field("Name").fill("gone");
        await button("Save", dialog()).click();
        await button("Done", dialog()).click();
        await page.getByRole("row", { name: /gone/ }).getByRole("button", { name: "Revoke" }).click();
        await button("Revoke", dialog()).click();
        await page.getByRole("row", { name: /gone.*revoked/ }).waitFor();
      },
    ],
    [
      "flow: webhooks",
      async () => {
        const heard = [];
        const receiver = createServer((req, res) => {
          heard.push(req.headers["webhook-signature"]);
          res.end();
        });
        await new Promise(done => receiver.listen(0, "127.0.0.1", done));
        await page.goto(`${server.url}/console/developers/webhooks`);
        await button("Add a webhook").click();
        await field("URL").fill(`http://127.0.0.1:${receiver.address().port}/in`);
        await button("Save", dialog()).click();
        await page
          .getByText(/^whsec_/)
          .waitFor()
          .catch(async e => {
            throw new Error(`${await dialog().textContent()} ${e}`);
          });
        await button("Done", dialog()).click();
        await button("Open").click();
        await button("Send a test", dialog()).click();
        await dialog()
          .getByRole("row", { name: /sent \d+ 200/ })
          .first()
          .waitFor({ timeout: 15_000 });
        assert.ok(heard.length > 0);
        await button("Send again", dialog()).first().click();
        await button("New secret", dialog()).click();
        await button("Make a new secret", dialog()).click();
        await page.getByText(/^whsec_/).waitFor();
        receiver.close();
      },
    ],
    [
      "flow: the calls behind a page, as curl",
      async () => {
        await page.goto(`${server.url}/console/customers`);
        await page.getByText("Acme Corp").waitFor();
        await button("API calls of this page").click();
        await dialog().getByText("/customers?limit=50").first().click();
        await dialog().getByText("$BURSAR_ADMIN_KEY").waitFor();
        assert.ok(!(await dialog().textContent()).includes(server.key));
        await page.keyboard.press("Escape");
      },
    ],
    [
      "flow: a read key sees and cannot change",
      async () => {
        const reader = await browser.newPage();
        await reader.addInitScript(key => sessionStorage.setItem("bursar-key", key), server.readKey);
        await reader.goto(`${server.url}/console/customers/acme/tree`);
        await reader.getByRole("row", { name: /Search/ }).waitFor();
        assert.equal(await reader.getByRole("button", { name: "Import" }).count(), 0);
        await reader.getByRole("row", { name: /Search/ }).click();
        await reader.getByRole("dialog").getByText("Remaining").first().waitFor();
        assert.equal(await reader.getByRole("dialog").getByRole("button", { name: "Edit" }).count(), 0);
        await reader.goto(`${server.url}/console/customers/nobody`);
        await reader.getByText("No such customer").waitFor();
        await reader.getByRole("link", { name: "All customers" }).click();
        await reader.getByRole("heading", { name: "Customers" }).waitFor();
        await reader.close();
      },
    ],
    [
      "flow: nothing broke the page's policy, and nothing threw",
      async () => {
        assert.deepEqual(page.problems, []);
        await page.close();
      },
    ],
  ];
}
