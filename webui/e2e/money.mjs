// What would change money by accident: amounts of other languages, drafts that are lost, two
// people at one limit, an undo that takes back too much. And days that are other days elsewhere.
import assert from "node:assert/strict";

export function moneyTests(browser, server) {
  const { call } = server;
  const at = "/console/customers/money";
  const dialogOf = page => page.getByRole("dialog").last();
  const button = (name, within) => within.getByRole("button", { name, exact: true });
  const amount = page => dialogOf(page).getByLabel(/^Amount/);
  const limits = async entity => (await call("GET", `/customers/money/assignments?entityId=${entity}`)).data;

  /** A page of somebody who is signed in. */
  async function open(path, options = {}) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    page.setDefaultTimeout(60_000);
    await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), server.key);
    await page.goto(server.url + path);
    return page;
  }
  const put = (entityId, more) =>
    call("PUT", "/customers/money/assignments", {
      assignments: [{ entityId, currencyId: "coins", usageLimit: 1000, cadence: "P1M", alertThresholds: [80], ...more }],
    });
  const edit = async page => {
    await button("Edit", dialogOf(page)).first().click();
    await amount(page).waitFor();
  };
  let made = 0;
  /** A team of its own for each test, with a limit of 1,000 a month. */
  async function team(more) {
    const id = `m${++made}`;
    await call("PUT", "/customers/money/entities", { entities: [{ id, entityTypeId: "purse", displayName: `Purse ${made}`, ...more }] });
    await put(id, {});
    return id;
  }

  return [
    [
      "money: a customer to try it on",
      async () => {
        await call("PUT", "/entity-types", {
          types: [
            { id: "purse", displayName: "Purse", attributionKeys: ["purseId"] },
            { id: "brain", displayName: "Brain", attributionKeys: ["brainId"] },
          ],
        });
        await call("POST", "/credits/custom-currencies", {
          id: "coins",
          displayName: "Coins",
          units: { singular: "coin", plural: "coins" },
          prepaid: false,
        });
        await call("POST", "/customers", { id: "money", name: "Money" });
      },
    ],
    ...[
      ["de-DE", "3.000", "three thousand", "3000"],
      ["de-DE", "1,5", "one point five", "1.5"],
      ["fr-FR", "3 000,5", "three thousand point five", "3000.5"],
      ["en-IN", "1,23,456", "one hundred twenty-three thousand four hundred fifty-six", "123456"],
      ["en-US", "2,500", "two thousand five hundred", "2500"],
    ].map(([locale, typed, words, want]) => [
      `money: in ${locale} "${typed}" is ${words}`,
      async () => {
        const id = await team();
        const page = await open(`${at}/tree?node=${id}`, { locale });
        await edit(page);
        await amount(page).fill(typed);
        await dialogOf(page).getByText(`coins: ${words}`, { exact: false }).waitFor();
        await button("Save", dialogOf(page)).click();
        await page
          .getByText(/Limit changed/)
          .first()
          .waitFor();
        assert.equal(String((await limits(id))[0].usageLimit), want);
        await page.close();
      },
    ]),
    ...[
      ["en-US", "3.000", /could mean 3 or 3,000/],
      ["en-US", "1,5", /Not grouped in thousands/],
      ["de-DE", "1,000.50", /“,” goes once, before the decimals/],
      ["fr-FR", "3.000", /“\.” could mean two things/],
    ].map(([locale, typed, says]) => [
      `money: in ${locale} "${typed}" is refused`,
      async () => {
        const id = await team();
        const page = await open(`${at}/tree?node=${id}`, { locale });
        await edit(page);
        await amount(page).fill(typed);
        await dialogOf(page).getByText(says).waitFor();
        await amount(page).press("Enter");
        assert.equal(await button("Save", dialogOf(page)).isDisabled(), true);
        assert.equal((await limits(id))[0].usageLimit, 1000);
        await page.close();
      },
    ]),
    [
      "money: a boost names whose limit it raises, from what to what; a file's 3.000 is refused",
      async () => {
        const id = await team();
        await put(id, { label: "pilot", cadence: "P1D", usageLimit: 830 });
        const page = await open(`${at}/tree?node=${id}`, { locale: "de-DE" });
        await page.getByRole("region", { name: "Coins pilot" }).getByRole("button", { name: "Boost" }).click();
        const d = dialogOf(page);
        await d.getByText(/Purse \d+ · Coins · per day · “pilot”/).waitFor();
        await amount(page).fill("2.000.000");
        await d.getByText("2.000.830").waitFor();
        await button("Cancel", d).click();
        await page.getByRole("region", { name: "Coins pilot" }).getByRole("button", { name: "Delete" }).click();
        await dialogOf(page)
          .getByText(/Purse \d+ · Coins · per day · “pilot”/)
          .waitFor();
        await button("Cancel", dialogOf(page)).click();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
        await button("Import", page).click();
        const csv = text => ({ name: "a.csv", mimeType: "text/csv", buffer: Buffer.from(`entityId,currencyId,usageLimit\n${text}`) });
        await page.setInputFiles("input[type=file]", csv(`${id},coins,3.000`));
        await page.getByText("“3.000” is no amount as a file writes it").waitFor();
        await page.setInputFiles("input[type=file]", csv(`${id},coins,3000.5`));
        await page.getByRole("cell", { name: "3.000,5" }).waitFor();
        await page.close();
      },
    ],
    ...[503, 401].map(status => [
      `money: a poll that answers ${status} leaves an open form as it is`,
      async () => {
        const id = await team();
        const page = await open(`${at}/tree?node=${id}`);
        await edit(page);
        await amount(page).fill("3333");
        let failed = 0;
        await page.route(/\/assignments\?/, route => {
          failed++;
          return route.fulfill({
            status,
            contentType: "application/json",
            body: JSON.stringify({ code: "X", title: "X", status, detail: "Not now" }),
          });
        });
        await page.evaluate(() => {
          window.dispatchEvent(new Event("visibilitychange"));
        });
        while (failed < (status === 503 ? 3 : 1)) await page.waitForResponse(r => /\/assignments\?/.test(r.url()), { timeout: 30_000 });
        await dialogOf(page).getByText("Could not be read again").waitFor();
        assert.equal(await amount(page).inputValue(), "3333");
        await page.unroute(/\/assignments\?/);
        await button("Try again", dialogOf(page)).first().click();
        await dialogOf(page).getByText("Could not be read again").waitFor({ state: "detached" });
        assert.equal(await amount(page).inputValue(), "3333");
        await button("Save", dialogOf(page)).click();
        await page
          .getByText(/Limit changed/)
          .first()
          .waitFor();
        assert.equal((await limits(id))[0].usageLimit, 3333);
        await page.close();
      },
    ]),
    [
      "money: Escape, a click beside and going back keep a limit that was typed; other forms ask first",
      async () => {
        const id = await team();
        const page = await open("/console/customers");
        await page.getByRole("link", { name: "Money", exact: true }).click();
        await page.getByRole("link", { name: "Budgets", exact: true }).click();
        await page.getByRole("row", { name: new RegExp(`Purse ${made}`) }).click();
        await dialogOf(page)
          .getByRole("heading", { name: `Purse ${made}` })
          .waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
        await page.getByRole("row", { name: new RegExp(`Purse ${made}`) }).click();
        await edit(page);
        await amount(page).fill("77");
        for (const leave of [() => page.keyboard.press("Escape"), () => page.mouse.click(40, 400)]) {
          await leave();
          await page.getByRole("dialog").waitFor({ state: "detached" });
          await page
            .getByText(/limit of Purse \d+: not saved/)
            .first()
            .waitFor();
          await page.getByRole("row", { name: new RegExp(`Purse ${made}`) }).click();
          await dialogOf(page).getByText("is still here").waitFor();
          assert.equal(await amount(page).inputValue(), "77");
        }
        await page.getByRole("tab", { name: "Usage" }).click();
        await page.getByRole("tab", { name: "Limits" }).click();
        assert.equal(await amount(page).inputValue(), "77");
        await page.evaluate(() => history.back());
        await page.locator('.tabs [aria-current="page"]', { hasText: "Overview" }).waitFor();
        await button("Discard", page).first().click();
        await page.getByRole("link", { name: "Budgets", exact: true }).click();
        await page.getByRole("row", { name: new RegExp(`Purse ${made}`) }).click();
        await button("Edit", dialogOf(page)).first().waitFor();
        // Other forms ask before what was typed in them is lost.
        await button("Rename", dialogOf(page)).click();
        await dialogOf(page).getByLabel("Name").fill("Wallet");
        const asked = page.getByRole("heading", { name: "Discard what you typed?" });
        for (const leave of [() => page.keyboard.press("Escape"), () => page.evaluate(() => history.back())]) {
          await leave();
          await asked.waitFor();
          await page.keyboard.press("Escape");
          await asked.waitFor({ state: "detached" });
          assert.equal(await dialogOf(page).getByLabel("Name").inputValue(), "Wallet");
        }
        await page.keyboard.press("Escape");
        await button("Discard", page).click();
        assert.equal((await limits(id))[0].usageLimit, 1000);
        await page.close();
      },
    ],
    [
      "money: two people at one limit: nobody's change is undone without a word",
      async () => {
        const id = await team();
        const [a, b] = [await open(`${at}/tree?node=${id}`), await open(`${at}/tree?node=${id}`)];
        // Nothing that is read again tells B before the save does.
        await edit(b);
        await b.route(/\/(assignments|governance)\?/, route => route.abort());
        await edit(a);
        await amount(a).fill("2000");
        await button("Save", dialogOf(a)).click();
        await a
          .getByText(/Limit changed/)
          .first()
          .waitFor();
        await dialogOf(b).getByLabel("Alert at percent").fill("90");
        await button("Save", dialogOf(b)).click();
        await dialogOf(b).getByText("Somebody else has changed this limit meanwhile").waitFor();
        await dialogOf(b).getByText("Amount: theirs is 2000, which is taken over below").waitFor();
        assert.equal((await limits(id))[0].usageLimit, 2000);
        assert.equal(await dialogOf(b).getByLabel("Alert at percent").inputValue(), "90");
        await button("Save", dialogOf(b)).click();
        await b
          .getByText(/Limit changed/)
          .first()
          .waitFor();
        const [now] = await limits(id);
        assert.deepEqual([now.usageLimit, now.alertThresholds], [2000, [90]]);
        await b.unroute(/\/(assignments|governance)\?/);
        // The same field of both: what was typed stays, and is saved only when asked again.
        await b.reload();
        await edit(b);
        await b.route(/\/(assignments|governance)\?/, route => route.abort());
        await put(id, { usageLimit: 500, alertThresholds: [90] });
        await amount(b).fill("4000");
        await button("Save", dialogOf(b)).click();
        await dialogOf(b).getByText("Amount: theirs is 500; yours is kept below").waitFor();
        assert.equal((await limits(id))[0].usageLimit, 500);
        assert.equal(await amount(b).inputValue(), "4000");
        await button("Save", dialogOf(b)).click();
        await b
          .getByText(/Limit changed/)
          .first()
          .waitFor();
        assert.equal((await limits(id))[0].usageLimit, 4000);
        await a.close();
        await b.close();
      },
    ],
    [
      "money: a catalogue entry that somebody else has edited is not overwritten unseen",
      async () => {
        await call("POST", "/features", { id: "words", displayName: "Words", featureType: "NUMBER" });
        const page = await open("/console/catalogue/features");
        await page.getByRole("row", { name: /Words/ }).getByRole("button", { name: "Edit" }).click();
        await call("PATCH", "/features/words", { displayName: "Spoken words" });
        await dialogOf(page).getByLabel("Unit", { exact: true }).fill("word");
        await button("Save", dialogOf(page)).click();
        await dialogOf(page).getByText("display name: Words → Spoken words").waitFor();
        assert.equal((await call("GET", "/features/words")).data.displayName, "Spoken words");
        assert.equal(await dialogOf(page).getByLabel("Unit", { exact: true }).inputValue(), "word");
        await page.close();
      },
    ],
    [
      "money: undo takes back its own change, and the other one stays on offer",
      async () => {
        const id = await team();
        const page = await open(`${at}/tree?node=${id}`);
        // Offers stay for as long as the test takes.
        await page.addInitScript(() => {
          const later = window.setTimeout;
          window.setTimeout = (f, ms, ...rest) => later(f, ms === 12_000 ? 900_000 : ms, ...rest);
        });
        await page.reload();
        const offers = dialogOf(page).locator(".toast").getByRole("button", { name: "Undo" });
        const save = async fill => {
          await edit(page);
          await fill();
          await button("Save", dialogOf(page)).click();
          await button("Edit", dialogOf(page)).first().waitFor();
        };
        await save(() => amount(page).fill("2000"));
        await save(() => dialogOf(page).getByLabel("Alert at percent").fill("50"));
        await offers.nth(1).waitFor();
        await offers.first().click();
        await page.getByText(/^Undone/).waitFor();
        let [now] = await limits(id);
        assert.deepEqual([now.usageLimit, now.alertThresholds], [1000, [50]]);
        await offers.last().click();
        await page
          .getByText(/^Undone/)
          .nth(1)
          .waitFor();
        [now] = await limits(id);
        assert.deepEqual([now.usageLimit, now.alertThresholds], [1000, [80]]);
        // What was changed again is not taken back over the later change.
        await save(() => amount(page).fill("2000"));
        await put(id, { usageLimit: 3000 });
        await offers.last().click();
        await page.getByText(/was changed again since/).waitFor();
        assert.equal((await limits(id))[0].usageLimit, 3000);
        await page.close();
      },
    ],
    ...["America/Los_Angeles", "Pacific/Honolulu", "Pacific/Kiritimati", "UTC"].map(timezoneId => [
      `money: in ${timezoneId} usage is on the day on which it happened`,
      async () => {
        const id = await team();
        await call("POST", "/customers/money/consume", {
          currencyId: "coins",
          amount: 7,
          dimensions: { purseId: id },
          idempotencyKey: `day-${id}`,
        });
        const page = await open(`${at}/tree?node=${id}`, { timezoneId });
        await page.getByRole("tab", { name: "Usage" }).click();
        const today = await page.evaluate(() =>
          new Intl.DateTimeFormat(navigator.language, { weekday: "short", day: "numeric", month: "short" }).format(new Date()),
        );
        await page.getByRole("row", { name: `${today} 7` }).waitFor();
        await page.getByText(`Days begin at midnight in your time zone, ${timezoneId.replaceAll("_", " ")}`).waitFor();
        await page.close();
      },
    ]),
    [
      "money: a part that failed to load can be tried again, beside what is there",
      async () => {
        const id = await team();
        const page = await open(`${at}/tree`);
        await page.getByRole("row", { name: new RegExp(`Purse ${made}`) }).waitFor();
        await page.route(/NodeDrawer.*\.js/, route => route.abort());
        await page.getByRole("row", { name: new RegExp(`Purse ${made}`) }).click();
        await page.getByText("A part of this page could not be loaded").waitFor();
        await page.getByRole("treegrid").waitFor();
        await page.unroute(/NodeDrawer.*\.js/);
        await button("Try again", page).click();
        await dialogOf(page).getByRole("heading", { name: /Purse/ }).waitFor();
        assert.ok(page.url().includes(id));
        await page.close();
      },
    ],
  ];
}
