// A customer's admin says who hears of what, sees what was sent, and decides a request from the message.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { startServer } from "./rig.mjs";

/** A stand-in for Slack, which keeps what is posted to it. */
function slack() {
  const got = [];
  const server = createServer((req, res) => {
    let body = "";
    req.on("data", chunk => {
      body += chunk;
    });
    req.on("end", () => {
      got.push(JSON.parse(body));
      res.end("ok");
    });
  });
  return new Promise(done => server.listen(0, "127.0.0.1", () => done({ got, host: `127.0.0.1:${server.address().port}`, server })));
}

export async function notificationTests(browser) {
  const to = await slack();
  to.server.unref();
  const server = await startServer(["--slack-hosts", to.host, "--public-url", "https://budgets.example"]);
  const { call } = server;
  await call("PUT", "/entity-types", {
    types: [{ id: "team", displayName: "Team", attributionKeys: ["teamId"] }],
  });
  await call("POST", "/features", { id: "calls", displayName: "Calls", featureType: "NUMBER", featureUnitsPlural: "calls" });
  await call("POST", "/customers", { id: "told", name: "Told" });
  await call("PUT", "/customers/told/entities", {
    entities: [
      { id: "org", entityTypeId: "team", displayName: "Company" },
      { id: "red", entityTypeId: "team", displayName: "Red team", parentId: "org" },
    ],
  });
  await call("PUT", "/customers/told/assignments", {
    assignments: [{ entityId: "red", featureId: "calls", usageLimit: 100, cadence: "P1M" }],
  });
  const token = (
    await call("POST", "/customers/told/access-tokens", {
      permissions: ["read", "manage"],
      subject: "lead@told.example",
      expiresInSeconds: 3600,
    })
  ).data.token;
  const url = `http://${to.host}/services/a-secret-path`;
  let page;
  async function begin(path, key) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, timezoneId: "UTC" });
    page.setDefaultTimeout(30_000);
    if (key) await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), key);
    await page.goto(server.url + path);
  }
  const dialog = () => page.getByRole("dialog").last();
  const button = (name, within) => within.getByRole("button", { name, exact: true });
  const came = async part => {
    for (let i = 0; i < 600; i++) {
      const found = to.got.find(m => JSON.stringify(m).includes(part));
      if (found) return JSON.stringify(found);
      await new Promise(done => setTimeout(done, 50));
    }
    throw new Error(`no message has ${part}: ${JSON.stringify(to.got)}`);
  };

  return [
    [
      "notification: an admin makes one for a part of the tree in the embedded view, tests it, and sees what was sent",
      async () => {
        await begin(`/embed#customer=told&token=${token}&view=notifications`);
        await page.getByText("Nobody is told yet").waitFor();
        await button("New notification", page).click();
        await dialog().getByLabel("Name").fill("Red budgets");
        await dialog().getByLabel("Only of a part").fill("red");
        await page.getByRole("option", { name: /Red team/ }).click();
        await dialog().getByText("Red team and all below").waitFor();
        await dialog().getByLabel("Who hears of it").fill(url);
        await dialog().getByLabel("When a limit is at percent").fill("50, 0");
        await dialog().getByText("whole percentages from 1 to 1000").waitFor();
        assert.equal(await button("Create", dialog()).isDisabled(), true);
        await dialog().getByLabel("When a limit is at percent").fill("50");
        await button("Create", dialog()).click();
        const card = page.getByRole("region", { name: "Red budgets" });
        await card.getByText("limits at 50% · the first request stopped in a period · requests for more").waitFor();
        assert.equal(await page.getByText("a-secret-path").count(), 0);
        await card.getByRole("button", { name: "Send a test of Red budgets" }).click();
        await came("A test of a notification");
        await call("POST", "/usage", {
          usages: [{ customerId: "told", featureId: "calls", value: 60, dimensions: { teamId: "red" }, idempotencyKey: "used" }],
        });
        await came("red (team) used 60 % of its calls limit: 60 of 100");
        await card.getByRole("button", { name: "What Red budgets has sent" }).click();
        await dialog()
          .getByRole("row", { name: /Threshold reached.*sent/ })
          .waitFor();
        await dialog()
          .getByRole("row", { name: /Test.*sent/ })
          .waitFor();
      },
    ],
    [
      "notification: it is changed in the console without its secret; mail without a server is refused in words",
      async () => {
        await begin("/console/customers/told/notifications", server.key);
        const card = page.getByRole("region", { name: "Red budgets" });
        await card.getByRole("button", { name: "Edit Red budgets" }).click();
        const who = dialog().getByLabel("Who hears of it");
        const shown = await who.inputValue();
        assert.match(shown, /^http:\/\/[^/]+\/…[0-9a-f]{8}$/);
        await dialog().getByLabel("When a limit is at percent").fill("50, 90");
        await who.fill(`${shown}, cfo@told.example`);
        await button("Save", dialog()).click();
        await dialog().getByText("knows no mail server").waitFor();
        await who.fill(shown);
        await button("Save", dialog()).click();
        await card.getByText("limits at 50%, 90%").waitFor();
        await call("POST", "/usage", {
          usages: [{ customerId: "told", featureId: "calls", value: 35, dimensions: { teamId: "red" }, idempotencyKey: "more" }],
        });
        await came("used 95 %");
      },
    ],
    [
      "notification: a request is decided by the link of its message, once, and by hand alone",
      async () => {
        await call("POST", "/customers/told/boost-requests", { entityId: "red", featureId: "calls", amount: 7, reason: "A launch" });
        const link = /https:\/\/budgets\.example(\/decide\/[\w-]+)/.exec(await came("decide/"))[1];
        const status = async () => (await call("GET", "/customers/told/boost-requests")).data[0].status;
        await begin(link);
        await page.getByText("asks for 7 more calls for red").waitFor();
        assert.equal(await status(), "OPEN");
        await page.getByLabel("A note to who asked").fill("Go");
        await button("Approve", page).click();
        await page.getByText("Approved by Notification: Red budgets: 7 more").waitFor();
        assert.equal(await status(), "APPROVED");
        await begin(link);
        await page.getByText("Approved by Notification: Red budgets").waitFor();
        assert.equal(await page.getByRole("button").count(), 0);
      },
    ],
    [
      "notification: it is deleted, and its recipients hear no more",
      async () => {
        await begin(`/embed#customer=told&token=${token}&view=notifications`);
        await page.getByRole("button", { name: "Delete Red budgets" }).click();
        await dialog().getByText("hear of nothing new; messages that wait are still sent").waitFor();
        await button("Delete", dialog()).click();
        await page.getByText("Nobody is told yet").waitFor();
        assert.deepEqual((await call("GET", "/customers/told/notifications")).data, []);
      },
    ],
  ];
}
