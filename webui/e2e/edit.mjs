// Limits of many at once: a budget shared out over those below it, and what was typed and
// left, which is kept. Each job by mouse, with its clicks counted, and by keyboard.
import assert from "node:assert/strict";
import { startServer } from "./rig.mjs";

/** A department with three teams: two with usage last month, one without. */
async function seed(call) {
  await call("PUT", "/entity-types", {
    types: [
      { id: "org", displayName: "Organisation", attributionKeys: ["orgId"] },
      { id: "department", displayName: "Department", attributionKeys: ["departmentId"] },
      { id: "team", displayName: "Team", attributionKeys: ["teamId"] },
      { id: "agent", displayName: "Agent", attributionKeys: ["agentId"] },
    ],
  });
  await call("POST", "/credits/custom-currencies", {
    id: "credits",
    displayName: "Credits",
    prepaid: false,
    units: { singular: "credit", plural: "credits" },
  });
  await call("POST", "/customers", { id: "edit", name: "Edit Inc" });
  const entity = (id, entityTypeId, displayName, parentId) => ({ id, entityTypeId, displayName, ...(parentId ? { parentId } : {}) });
  await call("PUT", "/customers/edit/entities", {
    entities: [
      entity("all", "org", "Edit Inc"),
      entity("eng", "department", "Engineering", "all"),
      entity("ops", "department", "Operations", "all"),
      entity("backend", "team", "Backend", "eng"),
      entity("mobile", "team", "Mobile", "eng"),
      entity("data", "team", "Data", "eng"),
      entity("doctor", "agent", "Pipeline doctor", "backend"),
    ],
  });
  const now = new Date();
  const first = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1);
  const usage = (teamId, amount, at, n) => ({
    customerId: "edit",
    currencyId: "credits",
    amount,
    dimensions: { teamId },
    createdAt: new Date(at).toISOString(),
    idempotencyKey: `${teamId}-${n}`,
  });
  const before = first - 36 * 3_600_000;
  const today = Math.max(first, Date.now() - 60_000);
  await call("POST", "/credits/consumption/async", {
    consumptions: [
      usage("backend", 600, before, 0),
      usage("mobile", 300, before, 1),
      usage("backend", 500, today, 2),
      usage("mobile", 40, today, 3),
      usage("data", 5, today, 4),
    ],
  });
  const limit = (entityId, usageLimit, more = {}) => ({
    entityId,
    currencyId: "credits",
    usageLimit,
    cadence: "P1M",
    countFrom: "periodStart",
    alertThresholds: [80],
    ...more,
  });
  await call("PUT", "/customers/edit/assignments", {
    assignments: [limit("all", 20_000), limit("eng", 9000), limit("ops", 4000), limit("backend", 3000), limit("data", 1500)],
  });
}

export async function editTests(browser) {
  const server = await startServer(["--late-horizon", "840h"]);
  const { call } = server;
  const at = "/console/customers/edit";
  let page;
  let clicks = 0;
  const click = async what => {
    clicks++;
    await what.click();
  };
  async function begin(path, options = {}) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, timezoneId: "UTC", ...options });
    page.setDefaultTimeout(30_000);
    await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), server.key);
    await page.goto(server.url + path);
    clicks = 0;
  }
  const dialog = () => page.getByRole("dialog").last();
  const button = (name, within = dialog()) => within.getByRole("button", { name, exact: true });
  const share = who => dialog().getByLabel(`New limit of ${who}`);
  /** Present limits of the department's teams, as the server has them. */
  const limits = async () => {
    const all = (await call("GET", "/customers/edit/assignments?limit=100")).data;
    return Object.fromEntries(all.filter(a => ["backend", "mobile", "data"].includes(a.entityId)).map(a => [a.entityId, a.usageLimit]));
  };
  const put = (entityId, usageLimit, more = {}) =>
    call("PUT", "/customers/edit/assignments", { assignments: [{ entityId, currencyId: "credits", usageLimit, cadence: "P1M", ...more }] });
  /** Moves the focus by Tab to a button or field of this name. */
  const tabTo = async name => {
    for (let i = 0; i < 90; i++) {
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        return e?.getAttribute("aria-label") || e?.textContent?.trim() || "";
      });
      if (name instanceof RegExp ? name.test(at) : at === name) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`Tab does not come to ${name}`);
  };
  const writes = () => {
    const seen = [];
    page.on("request", r => {
      if (r.method() === "PUT") seen.push(r.url());
    });
    return seen;
  };

  return [
    [
      "edit: a department is split over three teams by last month's usage, in four clicks and one write",
      async () => {
        await seed(call);
        await begin(at);
        await page.getByRole("region", { name: "Below Edit Inc" }).waitFor();
        const seen = writes();
        await click(page.getByRole("region", { name: "Below Edit Inc" }).getByRole("button", { name: "Engineering" }));
        await click(button("Share out"));
        await share("Backend").waitFor();
        assert.match(
          await dialog()
            .getByRole("row", { name: /Backend/ })
            .textContent(),
          /3,000.*500 used.*600/,
        );
        await click(button("By last month"));
        // Data used nothing last month and keeps its 1,500: 7,500 are shared as 2 to 1.
        assert.equal(await share("Backend").inputValue(), "5000");
        assert.equal(await share("Mobile").inputValue(), "2500");
        assert.equal(await share("Data").inputValue(), "");
        await dialog().getByText("Nothing left over").waitFor();
        await dialog().getByText("would have stopped nothing").waitFor();
        await click(button("Apply 2"));
        await page.getByText("2 limits below Engineering set").first().waitFor();
        assert.deepEqual(await limits(), { backend: 5000, mobile: 2500, data: 1500 });
        assert.ok(clicks <= 5, `${clicks} clicks`);
        assert.equal(seen.length, 1);
        // What is new begins as its parent's does, with what was used so far.
        const row = (await call("GET", "/customers/edit/governance?currencyIds=credits&rootEntityId=mobile&depth=0")).data[0];
        assert.equal(row.currentUsage, 40);
        await page.getByRole("dialog").locator(".toast").getByRole("button", { name: "Undo" }).click();
        await page.getByText(/^Undone/).waitFor();
        assert.deepEqual(await limits(), { backend: 3000, data: 1500 });
      },
    ],
    [
      "edit: the same by keyboard: evenly, one typed otherwise, what is too much, and applied",
      async () => {
        await begin(`${at}/tree?node=eng`);
        await dialog().getByRole("heading", { name: "Engineering" }).waitFor();
        await button("Share out").waitFor();
        await tabTo("Share out");
        await page.keyboard.press("Enter");
        await share("Backend").waitFor();
        await tabTo("Evenly");
        await page.keyboard.press("Enter");
        for (const who of ["Backend", "Mobile", "Data"]) assert.equal(await share(who).inputValue(), who === "Backend" ? "" : "3000");
        await tabTo("New limit of Mobile");
        await page.keyboard.type("3500");
        await dialog().getByText("500 too much").waitFor();
        await page.keyboard.press("ControlOrMeta+a");
        await page.keyboard.type("1.500");
        await dialog()
          .getByText(/could mean/)
          .waitFor();
        assert.ok(await button("Apply 1").isDisabled());
        await page.keyboard.press("ControlOrMeta+a");
        await page.keyboard.type("30");
        await dialog().getByText("2,970 left over").waitFor();
        await dialog().getByText("Used up: stopped at once").waitFor();
        await dialog()
          .getByText(/would have stopped requests once/)
          .waitFor();
        await tabTo(/^Apply/);
        await page.keyboard.press("Enter");
        await page.getByText("2 limits below Engineering set").first().waitFor();
        assert.deepEqual(await limits(), { backend: 3000, mobile: 30, data: 3000 });
      },
    ],
    [
      "edit: by percent; what another one has changed meanwhile is shown, and nothing is applied until it was seen",
      async () => {
        await begin(`${at}/tree?node=eng`);
        await button("Share out").click();
        await share("Backend").waitFor();
        await button("By percent").click();
        assert.equal(await share("Backend").inputValue(), "3300");
        assert.equal(await share("Mobile").inputValue(), "33");
        await put("mobile", 700);
        await button("Apply 3").click();
        await dialog().getByText("Somebody else has changed the limit of Mobile meanwhile").waitFor();
        assert.deepEqual(await limits(), { backend: 3000, mobile: 700, data: 3000 });
        assert.equal(await share("Mobile").inputValue(), "33");
        await button("Apply 3").click();
        await page.getByText("3 limits below Engineering set").first().waitFor();
        assert.deepEqual(await limits(), { backend: 3300, mobile: 33, data: 3300 });
      },
    ],
    [
      "edit: more than a strict limit has is refused wholly, in words",
      async () => {
        await put("eng", 9000, { allocation: "strict" });
        await begin(`${at}/tree?node=eng`);
        await button("Share out").click();
        await share("Backend").fill("100");
        await share("Data").fill("9000");
        await dialog().getByText("it will be refused").waitFor();
        await button("Apply 2").click();
        await dialog()
          .getByRole("alert")
          .getByText(/strict allocation of entity eng/)
          .waitFor();
        assert.deepEqual(await limits(), { backend: 3300, mobile: 33, data: 3300 });
        await put("eng", 9000, { allocation: "none" });
        // Cancelled, it is not kept.
        await button("Cancel").click();
        await button("Share out").waitFor();
      },
    ],
    [
      "edit: shares that are left are kept and said so, through Escape, another page and a reload, until discarded",
      async () => {
        await begin(`${at}/tree?node=eng`);
        await button("Share out").click();
        await share("Data").fill("1234");
        await page.keyboard.press("Escape");
        await page.getByText("Shares below Engineering: not saved").waitFor();
        await button("Go on sharing out").click();
        await dialog().getByText("is still here").waitFor();
        assert.equal(await share("Data").inputValue(), "1234");
        await page.keyboard.press("Escape");
        await page.getByRole("dialog").nth(1).waitFor({ state: "detached" });
        await page.keyboard.press("Escape");
        await page.getByRole("link", { name: "Catalogue" }).click();
        await page.reload();
        await page.goto(`${server.url}${at}/tree?node=eng`);
        await button("Go on sharing out").click();
        assert.equal(await share("Data").inputValue(), "1234");
        // What another one has saved since is not overwritten without a word, though it was kept.
        await put("data", 2222);
        await button("Apply 1").click();
        await dialog().getByText("Somebody else has changed the limit of Data meanwhile").waitFor();
        assert.equal((await limits()).data, 2222);
        await page.keyboard.press("Escape");
        await button("Go on sharing out").click();
        await dialog().getByText("is still here").waitFor();
        await put("data", 2223);
        await page.keyboard.press("Escape");
        await button("Go on sharing out").click();
        await dialog().getByText("Somebody else has changed the limit of Data meanwhile").waitFor();
        await button("Discard it").click();
        assert.equal(await share("Data").inputValue(), "");
        await page.keyboard.press("Escape");
        await button("Share out").waitFor();
      },
    ],
    [
      "edit: a limit and a boost that were typed and left are there again, beside what another one has saved since",
      async () => {
        await begin(`${at}/tree?node=ops`);
        await button("Edit").click();
        await dialog()
          .getByLabel(/^Amount/)
          .fill("4321");
        await page.keyboard.press("Escape");
        await page.getByText("The Credits limit of Operations: not saved").waitFor();
        await put("ops", 5000);
        await page.goto(`${server.url}${at}/tree?node=ops`);
        await dialog().getByText("is still here").waitFor();
        assert.equal(
          await dialog()
            .getByLabel(/^Amount/)
            .inputValue(),
          "4321",
        );
        await dialog().getByText("Amount: theirs is 5000; yours is kept below").waitFor();
        await button("Discard it").click();
        assert.equal(
          await dialog()
            .getByLabel(/^Amount/)
            .inputValue(),
          "5000",
        );
        await button("Cancel").click();
        await button("Boost").click();
        await dialog().getByLabel("Amount").fill("77");
        await dialog().getByLabel("Reason").fill("launch");
        await page.goBack();
        await page.goto(`${server.url}${at}/tree?node=ops`);
        await button("Go on with the boost").click();
        assert.equal(await dialog().getByLabel("Amount").inputValue(), "77");
        assert.equal(await dialog().getByLabel("Reason").inputValue(), "launch");
        await button("Boost", dialog()).click();
        await page.getByText("Boosted by 77").first().waitFor();
        await button("Boost").waitFor();
        assert.equal((await call("GET", "/customers/edit/assignments?entityId=ops")).data[0].effectiveUsageLimit, 5077);
      },
    ],
    [
      "edit: a change of several limits that is left is there again",
      async () => {
        await begin(`${at}/tree`);
        await page.getByLabel("Select Engineering").check();
        await page.getByRole("button", { name: "Edit limits" }).click();
        await dialog().getByLabel("Amount").fill("55");
        await page.keyboard.press("Escape");
        await page.getByText("The change of several limits: not saved").waitFor();
        await page.getByRole("button", { name: "Edit limits" }).click();
        await dialog().getByText("is still here").waitFor();
        assert.equal(await dialog().getByLabel("Amount").inputValue(), "55");
        await button("Cancel").click();
        await page.getByRole("button", { name: "Edit limits" }).click();
        assert.equal(await dialog().getByLabel("Amount").inputValue(), "");
      },
    ],
    [
      "edit: a team gets ten agents, each with a limit, in five clicks",
      async () => {
        await begin(at);
        await page.getByRole("link", { name: "Budgets", exact: true }).waitFor();
        const seen = writes();
        await click(page.getByRole("link", { name: "Budgets", exact: true }));
        await page.keyboard.press("Tab");
        await page.getByLabel("Find by name or id").fill("Mobile");
        await click(page.getByRole("row", { name: /Mobile/ }));
        await click(button("Add below"));
        await click(button("Several at once"));
        await dialog()
          .getByLabel("One on each line")
          .fill(Array.from({ length: 10 }, (_, i) => `Release helper ${i + 1}`).join("\n"));
        clicks++;
        await dialog().getByLabel("Type, where a line says none").selectOption({ label: "Agent" });
        await dialog().getByLabel("Limit of each (Credits)").fill("130");
        await dialog()
          .getByRole("row", { name: /release-helper-10 Agent Mobile 130 per month new/ })
          .waitFor();
        await click(button("Add 10"));
        await page.getByText("10 added, 10 limits set").first().waitFor();
        const below = (await call("GET", "/customers/edit/entities?parentId=mobile&limit=100")).data;
        assert.equal(below.length, 10);
        assert.equal((await call("GET", "/customers/edit/assignments?entityId=release-helper-10")).data[0].usageLimit, 130);
        assert.equal(seen.length, 2);
        assert.ok(clicks <= 6, `${clicks} clicks`);
      },
    ],
    [
      "edit: each line's problem is said, nothing is written before all are right; what was there is changed",
      async () => {
        await begin(`${at}/tree?node=data`);
        await button("Add below").click();
        await button("Several at once").click();
        const list = dialog().getByLabel("One on each line");
        await list.fill(
          "id,name,type,parent,limit\nd 1,One,agent,,\nd2,Two,pilot,,\nd3,Three,agent,nobody,\nd4,Four,agent,,1.500\nd5,Five,agent,,",
        );
        for (const words of ["“d 1” is no id", "there is no type “pilot”", "nobody with the id “nobody”", "could mean 1.5 or 1,500"])
          await dialog()
            .getByRole("cell", { name: new RegExp(words) })
            .waitFor();
        await dialog().getByText("4 lines of 5 cannot be added").waitFor();
        assert.ok(
          await dialog()
            .getByRole("button", { name: /^(Add|Change)/ })
            .isDisabled(),
        );
        // Left, it is kept.
        await page.keyboard.press("Escape");
        await button("Add below").click();
        await button("Several at once").click();
        await dialog().getByText("is still here").waitFor();
        await list.fill("id,name,type,parent,limit\nd2,Two,agent,d1,\nd1,One,agent,,20\ndoctor,Doctor,,,7");
        await dialog().getByRole("cell", { name: "changed", exact: true }).waitFor();
        await button("Add 2, change 1").click();
        await page.getByText("2 added, 1 changed, 2 limits set").first().waitFor();
        const [d2, doctor] = await Promise.all(
          ["d2", "doctor"].map(async id => (await call("GET", `/customers/edit/entities/${id}`)).data),
        );
        assert.deepEqual([d2.parentId, doctor.displayName, doctor.parentId], ["d1", "Doctor", "backend"]);
      },
    ],
    [
      "edit: whoever was archived is found, and restored, by keyboard",
      async () => {
        await call("POST", "/customers/edit/entities/archive", { ids: ["release-helper-3", "release-helper-4"] });
        await begin(`${at}/tree`);
        await page.getByRole("treegrid").waitFor();
        await tabTo("Archived");
        await page.keyboard.press("Enter");
        await dialog().getByLabel("Find an archived one by name or id").waitFor();
        await tabTo("Close");
        await page.keyboard.press("Tab");
        await page.keyboard.type("helper 3");
        await dialog()
          .getByLabel(/Release helper 3/)
          .waitFor();
        await dialog()
          .getByLabel(/Release helper 4/)
          .waitFor({ state: "detached" });
        for (let i = 0; i < 4; i++) {
          if (
            await dialog()
              .getByLabel(/Release helper 3/)
              .evaluate(e => e === document.activeElement)
          )
            break;
          await page.keyboard.press("Tab");
        }
        await page.keyboard.press("Space");
        await tabTo(/^Restore 1/);
        await page.keyboard.press("Enter");
        await page.getByText("Release helper 3 restored").first().waitFor();
        assert.equal((await call("GET", "/customers/edit/entities/release-helper-3")).data.archivedAt, null);
      },
    ],
  ];
}
