// Limits by default: that they are is said wherever one is shown, what becomes of one is said
// before it is changed, and what is taken back is as it was.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { startServer } from "./rig.mjs";

const people = ["Ada", "Bo", "Cy", "Di"];

async function seed(call) {
  await call("PUT", "/entity-types", {
    types: [
      { id: "team", displayName: "Team", attributionKeys: ["teamId"] },
      { id: "user", displayName: "User", attributionKeys: ["userId"] },
    ],
  });
  await call("POST", "/features", { id: "tokens", displayName: "Tokens", featureType: "NUMBER", featureUnitsPlural: "tokens" });
  await call("POST", "/customers", { id: "given", name: "Given" });
  await call("PUT", "/customers/given/entities", {
    entities: [
      { id: "eng", entityTypeId: "team", displayName: "Engineering" },
      ...people.map(p => ({ id: p.toLowerCase(), entityTypeId: "user", displayName: p, parentId: "eng", metadata: { who: p } })),
    ],
  });
  await say(call, 50);
  await call("PUT", "/customers/given/assignments", {
    assignments: [
      { entityId: "eng", featureId: "tokens", usageLimit: 200, cadence: "P1M" },
      { entityId: "di", featureId: "tokens", usageLimit: 30, cadence: "P1M" },
    ],
  });
  await call("POST", "/usage", {
    usages: [{ customerId: "given", featureId: "tokens", value: 7, dimensions: { userId: "ada" }, idempotencyKey: "ada" }],
  });
}

/** What each user of the team has by default. */
const say = (call, usageLimit) =>
  call("PUT", "/customers/given/default-limits", {
    defaults: [{ entityId: "eng", entityTypeId: "user", featureId: "tokens", usageLimit, cadence: "P1M", alertThresholds: [70] }],
  });

export async function defaultTests(browser) {
  const server = await startServer();
  const { call } = server;
  await seed(call);
  let page;
  async function begin(path, options = {}) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, timezoneId: "UTC", acceptDownloads: true, ...options });
    page.setDefaultTimeout(30_000);
    await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), server.key);
    await page.goto(server.url + path);
  }
  const dialog = () => page.getByRole("dialog").last();
  const button = (name, within = dialog()) => within.getByRole("button", { name, exact: true });
  const toast = text => page.getByText(text).last().waitFor();
  const undo = () => page.locator(".toast").getByRole("button", { name: "Undo" }).last().click();
  /** The limit of each, and whether it is by default: "50 default". */
  const limits = async () => {
    const rows = (await call("GET", "/customers/given/governance?featureIds=tokens&entityTypeIds=user&limit=100")).data;
    const words = rows.map(r => [r.displayName, `${r.usageLimit}${r.defaultOf ? " default" : ""}`]);
    return Object.fromEntries(words.filter(([name]) => people.includes(name)).sort());
  };
  const asGiven = { Ada: "50 default", Bo: "50 default", Cy: "50 default", Di: "30" };
  const bulk = async (amount, names = people) => {
    await begin("/console/customers/given/tree");
    await page.getByRole("row", { name: /Ada/ }).waitFor();
    for (const p of names) await page.getByLabel(`Select ${p}`).check();
    await page.getByRole("button", { name: "Edit limits" }).click();
    await dialog().getByLabel("Amount").fill(amount);
  };
  const writes = () => {
    const seen = [];
    page.on("request", r => /PUT|DELETE/.test(r.method()) && seen.push([r.method(), r.postData() ?? r.headers()["if-match"] ?? ""]));
    return seen;
  };

  return [
    [
      "default: the table, the drawer, an explanation and the embedded view say that a limit is by default, and whose that is",
      async () => {
        const whose = "each User below Engineering";
        await begin("/console/customers/given/tree");
        const chip = page.getByRole("row", { name: /Ada/ }).getByText("default", { exact: true });
        await chip.waitFor();
        await page.getByRole("row", { name: /Ada/ }).getByTitle(`By default: the limit of ${whose}`).waitFor();
        assert.equal(await page.getByRole("row", { name: /Di/ }).getByText("default", { exact: true }).count(), 0);
        await page.getByRole("row", { name: /Ada/ }).click();
        await dialog().getByText(`By default: ${whose}. It changes`).waitFor();
        await begin("/console/customers/given/explain");
        await page.getByLabel("Requested by").fill("ada");
        await page.getByRole("option", { name: /Ada/ }).click();
        await page.getByRole("button", { name: "Explain", exact: true }).click();
        await page.getByRole("region", { name: "Answer" }).getByText("default", { exact: true }).waitFor();

        // A token of the team's admin, in a page of another origin.
        const { data } = await call("POST", "/customers/given/access-tokens", { permissions: ["manage"], rootEntityId: "eng" });
        const html = `<!doctype html><script src="${server.url}/embed.js"></script><bursar-governance customer="given" view="tree" token="${data.token}"></bursar-governance>`;
        const vendor = createServer((_, res) => res.setHeader("Content-Type", "text/html").end(html));
        await new Promise(done => vendor.listen(server.vendorPort, "127.0.0.1", done));
        await page.goto(`http://localhost:${server.vendorPort}/`);
        const frame = page.frameLocator("iframe");
        await frame.getByRole("row", { name: /Ada/ }).getByText("default", { exact: true }).waitFor();
        await frame.getByRole("row", { name: /Ada/ }).click();
        await frame.getByRole("dialog").getByText(`By default: ${whose}. It changes`).waitFor();
        // One from above what the token sees does not say where from.
        const top = { entityTypeId: "user", featureId: "tokens", label: "all", usageLimit: 5, cadence: "P1D" };
        const put = await call("PUT", "/customers/given/default-limits", { defaults: [top] });
        await frame.getByText("By default: each User you see, by a default from above your part").waitFor();
        await call("DELETE", `/customers/given/default-limits/${put.data[0].id}`);
        await page.close();
        vendor.close();
      },
    ],
    [
      "default: an edit says that it makes a limit of its own, goes on with what was used, and is taken back to the default",
      async () => {
        await begin("/console/customers/given/tree?node=ada");
        await button("Set own limit").click();
        await dialog().getByText("Ada has this limit by default, as each User below Engineering: 50 per month").waitFor();
        await dialog()
          .getByLabel(/^Amount/)
          .fill("60");
        await button("Set own limit").click();
        await toast(/Own limit set/);
        await button("Edit").waitFor();
        assert.equal((await limits()).Ada, "60");
        const used = async () =>
          (await call("GET", "/customers/given/governance?featureIds=tokens&rootEntityId=ada&depth=0")).data[0].currentUsage;
        assert.equal(await used(), 7);
        await undo();
        await toast(/^Undone/);
        await button("Set own limit").waitFor();
        assert.deepEqual(await limits(), asGiven);
        assert.equal(await used(), 7);
        // So does a new one of the same label.
        await button("Set a limit").click();
        await dialog().getByText("Ada has this limit by default").waitFor();
        await dialog().getByLabel("Label").fill("pilot");
        await dialog().getByText("Ada has this limit by default").waitFor({ state: "detached" });
        await button("Cancel").click();
      },
    ],
    [
      "default: a change of several says before what becomes of those by default, and is taken back wholly",
      async () => {
        await bulk("80");
        await dialog().getByText("3 of them have their limits by default").waitFor();
        assert.match(await dialog().getByRole("row", { name: /Ada/ }).textContent(), /50by default/);
        const give = dialog().getByLabel(/Give each of them one of its own/);
        await give.uncheck();
        await button("Change 1 limit").waitFor();
        await give.check();
        await button("Change 4 limits").click();
        await toast("4 limits changed");
        assert.deepEqual(await limits(), { Ada: "80", Bo: "80", Cy: "80", Di: "80" });
        const seen = writes();
        await undo();
        await toast(/^Undone/);
        assert.deepEqual(await limits(), asGiven);
        // All numbers are back in one write that names what it saw; what stands in the place of a default ends then.
        assert.deepEqual(seen.map(([method]) => method).sort(), ["DELETE", "DELETE", "DELETE", "PUT"]);
        assert.equal(seen[0][0], "PUT");
        assert.equal(seen[0][1].match(/"ifMatch":"r/g).length, 4);
        for (const [method, match] of seen) if (method === "DELETE") assert.match(match, /^"r/);
      },
    ],
    [
      "default: what cannot be taken back is told: one that was changed meanwhile, and a default that says something else now",
      async () => {
        await bulk("80");
        await button("Change 4 limits").click();
        await toast("4 limits changed");
        // Changed again by somebody else: nothing is written.
        const other = usageLimit =>
          call("PUT", "/customers/given/assignments", {
            assignments: [{ entityId: "bo", featureId: "tokens", usageLimit, cadence: "P1M" }],
          });
        await other(81);
        const seen = writes();
        await undo();
        await toast(/was changed again since/);
        assert.deepEqual([seen.length, await limits()], [0, { Ada: "80", Bo: "81", Cy: "80", Di: "80" }]);
        await other(80);
        // One deletion gets no answer.
        let cut = false;
        await page.route("**/assignments/*", async r => {
          if (r.request().method() !== "DELETE" || cut) return r.continue();
          cut = true;
          return r.abort();
        });
        const again = () => page.getByRole("button", { name: "Undo", exact: true }).first().click();
        await again();
        await toast(/3 of 4 are as before. (Ada|Bo|Cy): the amount of before, but a limit of its own \(The server could not/);
        assert.deepEqual(Object.values(await limits()).sort(), ["30", "50", "50 default", "50 default"]);
        // It can be tried again, and is.
        await again();
        await toast(/^Undone/);
        assert.deepEqual(await limits(), asGiven);

        await bulk("90", ["Ada", "Bo"]);
        await button("Change 2 limits").click();
        await toast("2 limits changed");
        await say(call, 10);
        await undo();
        await toast(/0 of 2 are as before. Ada, Bo: the amount of before, but a limit of its own \(another default/);
        assert.deepEqual(await limits(), { Ada: "50", Bo: "50", Cy: "10 default", Di: "30" });
        // There is nothing more to try.
        await page.getByRole("button", { name: "Undo", exact: true }).waitFor({ state: "detached" });
        await say(call, 50);
        await bulk("90", ["Cy"]);
        await button("Change 1 limit").click();
        await toast("1 limits changed");
        // Another default is meant for Cy by now, while the one of before is what it was.
        const nearer = {
          entityId: "eng",
          entityTypeId: "user",
          metadata: { who: "Cy" },
          featureId: "tokens",
          usageLimit: 4,
          cadence: "P1M",
        };
        const { data } = await call("PUT", "/customers/given/default-limits", { defaults: [nearer] });
        await undo();
        await toast(/0 of 1 are as before. Cy: the amount of before, but a limit of its own \(another default/);
        assert.equal((await limits()).Cy, "50");
        await call("DELETE", `/customers/given/default-limits/${data[0].id}`);
        for (const { id, entityId } of (await call("GET", "/customers/given/assignments")).data)
          if (["ada", "bo", "cy"].includes(entityId)) await call("DELETE", `/customers/given/assignments/${id}`);
        assert.deepEqual(await limits(), asGiven);
      },
    ],
    [
      "default: what is exported and imported again makes no limit of its own, unless asked for",
      async () => {
        await begin("/console/customers/given/tree");
        await page.getByRole("row", { name: /Ada/ }).waitFor();
        const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export" }).click()]);
        const chunks = [];
        for await (const c of await download.createReadStream()) chunks.push(c);
        const csv = Buffer.concat(chunks).toString();
        const choose = async text => {
          await page.getByRole("button", { name: "Import" }).click();
          await dialog()
            .locator("input[type=file]")
            .setInputFiles({ name: "limits.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
        };
        await choose(csv);
        await dialog().getByText("0 changes; 2 lines are unchanged. 3 are limits by default and stay so").waitFor();
        await button("Cancel").click();
        // Without the mark, one that says what its default says is as it was; another is one of its own.
        await choose(csv.replace(/^(ada,.*),default$/m, "$1,").replace(/^(bo,.*,)50(,P1M.*),default$/m, (_, a, b) => `${a}55${b},`));
        await dialog().getByText("1 changes", { exact: true }).waitFor();
        await dialog()
          .getByRole("row", { name: /bo .*50 by default 55/ })
          .waitFor();
        await button("Apply 1 changes").click();
        await toast("1 limits imported");
        assert.deepEqual(await limits(), { ...asGiven, Bo: "55" });
        await undo();
        await toast(/^Undone/);
        assert.deepEqual(await limits(), asGiven);
      },
    ],
    [
      "default: a limit is shared out over more than forty, some of them limited by default, in one write, and taken back",
      async () => {
        const crew = Array.from({ length: 45 }, (_, i) => `m${i}`);
        await call("PUT", "/customers/given/entities", {
          entities: [
            { id: "ops", entityTypeId: "team", displayName: "Operations" },
            ...crew.map(id => ({ id, entityTypeId: "user", displayName: `Member ${id}`, parentId: "ops" })),
          ],
        });
        await call("PUT", "/customers/given/default-limits", {
          defaults: [{ entityId: "ops", entityTypeId: "user", featureId: "tokens", usageLimit: 20, cadence: "P1M" }],
        });
        await call("PUT", "/customers/given/assignments", {
          assignments: ["ops", ...crew.slice(0, 40)].map((entityId, i) => ({
            entityId,
            featureId: "tokens",
            usageLimit: i === 0 ? 9000 : 100,
            cadence: "P1M",
          })),
        });
        await begin("/console/customers/given/tree?node=ops");
        await button("Share out").click();
        const share = who => dialog().getByLabel(`New limit of Member ${who}`);
        await share("m44").waitFor();
        assert.equal(await share("m0").getAttribute("placeholder"), "100");
        assert.equal(await share("m44").getAttribute("placeholder"), "20");
        assert.match(
          await dialog()
            .getByRole("row", { name: /Member m44/ })
            .textContent(),
          /20by default/,
        );
        await dialog().getByText("4,100 of 9,000 tokens shared out").waitFor();
        await button("Evenly").click();
        await dialog().getByText("5 of these have their limits by default").waitFor();
        const seen = writes();
        await button("Apply 45").click();
        await toast("45 limits below Operations set");
        const now = async () => {
          const rows = (await call("GET", "/customers/given/governance?featureIds=tokens&parentId=ops&limit=100")).data;
          return rows.reduce((all, r) => {
            const k = `${r.usageLimit}${r.defaultOf ? " default" : ""}`;
            return Object.assign(all, { [k]: (all[k] ?? 0) + 1 });
          }, {});
        };
        assert.deepEqual(await now(), { 200: 45 });
        assert.equal(seen.length, 1);
        await undo();
        await toast(/^Undone/);
        assert.deepEqual(await now(), { 100: 40, "20 default": 5 });
      },
    ],
    [
      "default: shares of a strict limit are taken back, although what was made has to go first",
      async () => {
        await call("PUT", "/customers/given/entities", {
          entities: [
            { id: "law", entityTypeId: "team", displayName: "Legal" },
            ...["one", "two"].map(id => ({ id, entityTypeId: "team", displayName: id, parentId: "law" })),
          ],
        });
        const limit = (entityId, usageLimit, more = {}) => ({ entityId, featureId: "tokens", usageLimit, cadence: "P1M", ...more });
        await call("PUT", "/customers/given/assignments", {
          assignments: [limit("law", 100, { allocation: "strict" }), limit("one", 100)],
        });
        await begin("/console/customers/given/tree?node=law");
        await button("Share out").click();
        await dialog().getByLabel("New limit of one").fill("60");
        await dialog().getByLabel("New limit of two").fill("40");
        await button("Apply 2").click();
        await toast("2 limits below Legal set");
        await undo();
        await toast(/^Undone/);
        const rows = (await call("GET", "/customers/given/assignments?featureId=tokens&limit=100")).data.filter(a =>
          ["one", "two"].includes(a.entityId),
        );
        assert.deepEqual(
          rows.map(a => [a.entityId, a.usageLimit]),
          [["one", 100]],
        );
      },
    ],
    [
      "default: one is set, changed and deleted in a team's drawer; whose limits that changes is said first, and taken back",
      async () => {
        await say(call, 50);
        await begin("/console/customers/given/tree?node=eng");
        await page.getByRole("tab", { name: "Defaults" }).click();
        const given = page.getByRole("region", { name: "Tokens, each User below Engineering", exact: true });
        await given.getByText("50 per month for each User below Engineering").waitFor();

        // A tier of its own.
        await button("Set a default").click();
        await dialog().getByLabel("For each").selectOption("user");
        await dialog().getByLabel("Only with metadata").fill("who");
        await dialog().getByText("Write key=value").waitFor();
        await dialog().getByLabel("Only with metadata").fill("who=Ada");
        await dialog().getByText("1 of type User is meant: 1 has one by another default").waitFor();
        await dialog().getByLabel("Amount").fill("5");
        await dialog().getByText("It would have stopped 1 of 1 requests (7 in all, by 1 limit)").waitFor();
        await button("Set default").click();
        await toast("Default set: Tokens 5 per month for each User");
        await page.getByRole("region", { name: "Tokens, each User below Engineering with who Ada" }).waitFor();
        assert.deepEqual(await limits(), { ...asGiven, Ada: "5 default" });
        await undo();
        await toast(/^Undone: Default set/);
        assert.deepEqual(await limits(), asGiven);

        // Who is stopped at once is said before.
        await button("Edit Tokens, each User below Engineering").click();
        const effect = "4 of type User are meant: 3 are limited by this default and change at once; 1 has a limit of its own, which stays.";
        await dialog().getByText(effect).waitFor();
        await dialog().getByLabel("Amount").fill("7");
        await dialog().getByText("1 has used it up already: its requests are stopped at once.").waitFor();
        await dialog().getByText("It would have stopped none of 1 requests; the fullest period of one of them used 7").waitFor();
        // Another one is quicker.
        await say(call, 60);
        await button("Save").click();
        await dialog().getByText("Somebody else has changed this meanwhile.").waitFor();
        await button("Save over it").click();
        await toast("Default changed: Tokens 7 per month");
        assert.deepEqual(await limits(), { Ada: "7 default", Bo: "7 default", Cy: "7 default", Di: "30" });
        // What is taken back is what it was saved over.
        await undo();
        await toast(/^Undone: Default changed/);
        assert.deepEqual(await limits(), { Ada: "60 default", Bo: "60 default", Cy: "60 default", Di: "30" });
        await say(call, 50);
        await page.reload();

        await page.getByRole("tab", { name: "Defaults" }).click();
        await button("Delete Tokens, each User below Engineering").click();
        await dialog().getByText("3 are limited by it.").waitFor();
        await button("Delete").click();
        await toast("Default deleted: Tokens for each User below Engineering");
        assert.deepEqual(await limits(), { Di: "30" });
        await undo();
        await toast(/^Undone: Default deleted/);
        assert.deepEqual(await limits(), asGiven);
      },
    ],
    [
      "default: a new one that is saved over another changes that one, as it is shown, and is taken back to it",
      async () => {
        const ours = async () => (await call("GET", "/customers/given/default-limits")).data.find(d => d.entityId === "eng" && !d.label);
        const before = await ours();
        await begin("/console/customers/given/tree?node=eng");
        await page.getByRole("tab", { name: "Defaults" }).click();
        await button("Set a default").click();
        await dialog().getByLabel("For each").selectOption("user");
        await dialog().getByLabel("Amount").fill("40");
        await button("Set default").click();
        await dialog().getByText("Nothing of yours is saved yet.").waitFor();
        // What was not typed is what the other says, and is in the fields.
        assert.equal(await dialog().getByLabel("Alert at percent").inputValue(), "70");
        assert.equal(await dialog().getByLabel("Time zone").inputValue(), before.timezone);
        await dialog().getByText("3 are limited by this default and change at once").waitFor();
        await dialog().getByLabel("Alert at percent").fill("");
        await button("Set default over it").click();
        await toast("Default changed: Tokens 40 per month for each User");
        const [after, gone] = [await ours(), { revision: 0, updatedAt: 0, usageLimit: 0, alertThresholds: 0 }];
        assert.deepEqual([after.usageLimit, after.alertThresholds], [40, []]);
        assert.deepEqual({ ...after, ...gone }, { ...before, ...gone });
        await undo();
        await toast(/^Undone: Default changed/);
        const now = await ours();
        assert.deepEqual([now.usageLimit, now.alertThresholds], [50, [70]]);
        assert.deepEqual(await limits(), asGiven);

        // A time zone that is emptied is the customer's again.
        await button("Edit Tokens, each User below Engineering").click();
        await dialog().getByLabel("Time zone").fill("Asia/Tokyo");
        await button("Save").click();
        await toast("Default changed: Tokens 50 per month");
        assert.equal((await ours()).timezone, "Asia/Tokyo");
        await button("Edit Tokens, each User below Engineering").click();
        await dialog().getByLabel("Time zone").fill("");
        await button("Save").click();
        await page.getByRole("region", { name: "Tokens, each User below Engineering" }).getByText("UTC").waitFor();
        assert.equal((await ours()).timezone, "UTC");
      },
    ],
    [
      "default: one for the whole customer is set by keyboard, listed by type, and seen from below",
      async () => {
        await begin("/console/customers/given/tree");
        await page.getByRole("row", { name: /Ada/ }).waitFor();
        await page.keyboard.press("Control+k");
        await page.getByRole("combobox", { name: "Find or do" }).fill("default lim");
        await page.keyboard.press("Enter");
        await dialog().getByRole("heading", { name: "Default limits" }).waitFor();
        await button("Set a default for all").press("Enter");
        await dialog().getByLabel("For each").selectOption("team");
        await dialog()
          .getByText(/of type Team (is|are) meant: .*of (its|their) own, which stays/)
          .waitFor();
        await dialog().getByLabel("Label").fill("daily");
        await dialog()
          .getByText(/of type Team (is|are) meant: \d+ (has|have) no such limit and gets? this one\.$/)
          .waitFor();
        await dialog().getByLabel("Amount").fill("900");
        await dialog().getByLabel("Amount").press("Enter");
        const made = page.getByRole("region", { name: "Tokens, each Team of the customer daily" });
        await made.waitFor();
        await dialog().getByLabel("Type", { exact: true }).selectOption("user");
        await made.waitFor({ state: "detached" });
        await page.keyboard.press("Escape");
        await page.getByRole("row", { name: /Ada/ }).click();
        await page.getByRole("tab", { name: "Defaults" }).click();
        await made.getByText("from above").waitFor();
        await page.close();
        page = null;
        const [d] = (await call("GET", "/customers/given/default-limits")).data.filter(x => x.label === "daily");
        assert.deepEqual([d.entityId, d.entityTypeId, d.usageLimit, d.cadence], [null, "team", 900, "P1M"]);
        await call("DELETE", `/customers/given/default-limits/${d.id}`);
      },
    ],
  ];
}
