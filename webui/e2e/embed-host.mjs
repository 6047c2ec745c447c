// What the element and the page around it say to each other: attributes in, events out, and a
// token that is lost and had again.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { build } from "vite";
import { root } from "./rig.mjs";

const names = ["ready", "navigate", "change", "token-expired", "error"];

/** A vendor's page with the element, which notes what it hears. */
const page1 = (server, attributes, script = "") => `<!doctype html><html lang="en"><title>Vendor</title>
<bursar-governance customer="hosted" ${attributes}></bursar-governance>
<script>
  window.heard = [];
  const element = document.querySelector("bursar-governance");
  for (const name of ${JSON.stringify(names)}) element.addEventListener("bursar-" + name, e => heard.push([name, e.detail]));
  ${script}
</script>
<script src="${server.url}/embed.js"></script></html>`;

async function seed(call) {
  await call("PUT", "/entity-types", { types: [{ id: "group", displayName: "Group", attributionKeys: ["groupId"] }] });
  await call("POST", "/features", { id: "hosted-calls", displayName: "Hosted calls", featureType: "NUMBER" });
  await call("POST", "/features", { id: "hosted-rows", displayName: "Hosted rows", featureType: "NUMBER" });
  await call("POST", "/customers", { id: "hosted", name: "Hosted" });
  await call("PUT", "/customers/hosted/entities", {
    entities: [
      { id: "top", entityTypeId: "group", displayName: "Top" },
      { id: "left", entityTypeId: "group", displayName: "Left", parentId: "top" },
      { id: "right", entityTypeId: "group", displayName: "Right", parentId: "top" },
    ],
  });
  await call("PUT", "/customers/hosted/assignments", {
    assignments: ["left", "right"].flatMap(entityId => [
      { entityId, featureId: "hosted-calls", usageLimit: 12_345.5, cadence: "P1D" },
      { entityId, featureId: "hosted-rows", usageLimit: 7, cadence: "P1D" },
    ]),
  });
}

export function embedHostTests(browser, server) {
  const { call } = server;
  let seeded = null;
  const token = async () => {
    seeded ??= seed(call);
    await seeded;
    return (
      await call("POST", "/customers/hosted/access-tokens", { permissions: ["read", "manage"], expiresInSeconds: 3600, subject: "ada" })
    ).data.token;
  };

  /** Opens what a vendor serves: a page, its scripts, and tokens as long as it can. */
  async function host(html, more, use) {
    const vendor = createServer((req, res) => {
      const [status, type, body] = more[req.url]?.() ?? [200, "text/html", html];
      res.writeHead(status, { "Content-Type": type }).end(body);
    });
    await new Promise(done => vendor.listen(server.vendorPort, "127.0.0.1", done));
    const page = await browser.newPage({ viewport: { width: 1000, height: 900 }, timezoneId: "UTC" });
    page.setDefaultTimeout(30_000);
    await page.goto(`http://localhost:${server.vendorPort}/`);
    const heard = (name, what) =>
      page.waitForFunction(
        ([n, w]) => heard.find(([is, detail]) => is === n && Object.entries(w).every(([k, v]) => JSON.stringify(detail[k]) === v))?.[1],
        [name, Object.fromEntries(Object.entries(what).map(([k, v]) => [k, JSON.stringify(v)]))],
      );
    const set = (name, value) =>
      page.evaluate(
        ([n, v]) =>
          v === null
            ? document.querySelector("bursar-governance").removeAttribute(n)
            : document.querySelector("bursar-governance").setAttribute(n, v),
        [name, value],
      );
    try {
      await use({ page, view: page.frameLocator("iframe"), heard, set });
    } finally {
      await page.close();
      vendor.closeAllConnections();
      await new Promise(done => vendor.close(done));
    }
  }
  /** Refuses the calls of a token, as if it had ended. */
  const refusing = (page, refused) =>
    page.route("**/api/v1/**", route =>
      refused(route.request().headers().authorization ?? "")
        ? route.fulfill({
            status: 401,
            contentType: "application/json",
            body: '{"code":"Unauthenticated","title":"x","detail":"It has ended."}',
          })
        : route.continue(),
    );

  return [
    [
      "embed: attributes say what is shown and how figures and dates are written, also when they change",
      async () => {
        await host(
          page1(server, `token="${await token()}" view="tree" node="left" capability="hosted-calls" locale="de-DE"`),
          {},
          async ({ view, set, heard }) => {
            const drawer = view.getByRole("dialog");
            await drawer.getByRole("heading", { name: "Left" }).waitFor();
            await heard("ready", { customer: "hosted", view: "tree", node: "left", capability: "feature:hosted-calls" });
            await drawer.getByRole("region", { name: "Hosted calls" }).getByTitle("12.345,5").first().waitFor();
            const resets = drawer.getByRole("region", { name: "Hosted calls" }).getByTitle(/\d{4}/).first();
            const today = (locale, at) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" }).format(at);
            const tomorrow = new Date(Math.floor(Date.now() / 86_400_000 + 1) * 86_400_000);
            assert.ok((await resets.getAttribute("title")).startsWith(today("de-DE", tomorrow)), await resets.getAttribute("title"));

            // What is typed is read so, too.
            await drawer.getByRole("region", { name: "Hosted calls" }).getByRole("button", { name: "Edit" }).click();
            await drawer.getByLabel(/^Amount/).fill("3.000");
            await drawer.getByText("three thousand").waitFor();
            await set("locale", "en-US");
            await drawer.getByTitle("12,345.5").first().waitFor();
            assert.ok((await resets.getAttribute("title")).startsWith(today("en-US", tomorrow)), await resets.getAttribute("title"));
            // What was typed by another way of writing is not taken for something else.
            assert.equal(await drawer.getByText("is still here").count(), 0);

            await set("node", "right");
            await drawer.getByRole("heading", { name: "Right" }).waitFor();
            await set("node", null);
            await drawer.waitFor({ state: "detached" });
            await set("capability", "feature:hosted-rows");
            await heard("navigate", { view: "tree", node: null, capability: "feature:hosted-rows" });
            await view.getByRole("row", { name: /Left.*7/ }).waitFor();
            await set("view", "activity");
            await view.getByRole("button", { name: "Activity", pressed: undefined }).and(view.locator("[aria-current=page]")).waitFor();

            // What cannot be followed is said, and changes nothing.
            await set("locale", "no such language");
            await heard("error", { code: "UnknownLocale" });
            await set("capability", "gone");
            await heard("error", { code: "CapabilityNotFound", message: "There is no feature or currency “gone”." });
            await set("view", "budgets");
            await heard("error", { code: "UnknownView" });
            await set("customer", "nobody");
            await heard("error", { customer: "nobody" });
          },
        );
      },
    ],
    [
      "embed: the page around hears where the reader is, and what was changed and taken back",
      async () => {
        await host(page1(server, `token="${await token()}" view="tree" capability="hosted-calls"`), {}, async ({ view, heard }) => {
          await heard("ready", { customer: "hosted", view: "tree", node: null });
          await view.getByRole("row", { name: /Left/ }).click();
          await heard("navigate", { node: "left", view: "tree" });
          const drawer = view.getByRole("dialog");
          await drawer.getByRole("region", { name: "Hosted calls" }).getByRole("button", { name: "Edit" }).click();
          await drawer.getByLabel(/^Amount/).fill("20000");
          await drawer.getByRole("button", { name: "Save", exact: true }).click();
          await heard("change", { customer: "hosted", entityIds: ["left"], text: "Limit changed: Hosted calls 20,000 per day" });
          await view.locator(".toast").getByRole("button", { name: "Undo" }).last().click();
          await heard("change", { entityIds: ["left"], text: "Undone: Limit changed: Hosted calls 20,000 per day" });
        });
      },
    ],
    [
      "embed: a token that is lost is had again by Try again, what was typed stays, and an error page is no token",
      async () => {
        const [first, second, third] = [await token(), await token(), await token()];
        let answer = [200, "text/plain", first];
        // A careless page: it does not look whether its backend could.
        const ask = `element.refreshToken = async () => (await fetch("/token")).text();`;
        await host(
          page1(server, 'view="tree" capability="hosted-calls"', ask),
          { "/token": () => answer },
          async ({ page, view, heard }) => {
            // Without a token at first it is asked for one.
            await heard("ready", { customer: "hosted" });
            await view.getByRole("row", { name: /Left/ }).click();
            const drawer = view.getByRole("dialog");
            await drawer.getByRole("region", { name: "Hosted calls" }).getByRole("button", { name: "Edit" }).click();
            await drawer.getByLabel(/^Amount/).fill("4321");

            answer = [502, "text/html", "Budgets are not available."];
            await refusing(page, auth => auth.endsWith(first));
            await heard("token-expired", { message: "no new token: refreshToken gave a text that is none, not its text" });
            assert.equal(await page.evaluate(() => element.getAttribute("token")), first);
            assert.equal(await drawer.getByLabel(/^Amount/).inputValue(), "4321");
            // The banner is behind the drawer, which has a button of its own.
            await drawer.getByRole("button", { name: "Try again" }).first().waitFor();
            answer = [200, "text/plain", second];
            await drawer.getByRole("button", { name: "Try again" }).first().click();
            await drawer.getByRole("button", { name: "Try again" }).first().waitFor({ state: "detached" });
            await view.getByText("Your access has ended").waitFor({ state: "detached" });
            assert.equal(await drawer.getByLabel(/^Amount/).inputValue(), "4321");

            answer = [502, "text/html", "Budgets are not available."];
            await page.unroute("**/api/v1/**");
            await refusing(page, auth => auth.endsWith(first) || auth.endsWith(second));
            await page.evaluate(() => {
              window.heard.length = 0;
            });
            await heard("token-expired", { customer: "hosted" });
            await page.keyboard.press("Escape");
            await drawer.waitFor({ state: "detached" });
            const again = view.getByRole("alert").getByRole("button", { name: "Try again" });
            await view.getByText("Your access has ended").waitFor();
            await again.click();
            await view.getByText("could not be had again just now").waitFor();

            answer = [200, "text/plain", `${third}\n`];
            await again.click();
            await view.getByText("Your access has ended").waitFor({ state: "detached" });
            assert.equal(await page.evaluate(() => element.getAttribute("token")), third);
            await view.getByRole("row", { name: /Left/ }).click();
            assert.equal(await drawer.getByLabel(/^Amount/).inputValue(), "4321");
            await drawer.getByRole("button", { name: "Save", exact: true }).click();
            await heard("change", { entityIds: ["left"] });
          },
        );
      },
    ],
    [
      "embed: Try again also mends by the attribute, and by the same token once it is accepted again",
      async () => {
        const good = await token();
        let down = false;
        await host(
          page1(server, `token="${good}" view="tree" capability="hosted-calls"`, "element.refreshToken = () => null;"),
          {},
          async ({ page, view, heard, set }) => {
            await heard("ready", { customer: "hosted" });
            await refusing(page, () => down);
            down = true;
            await view.getByRole("button", { name: "Activity" }).click();
            await heard("token-expired", { customer: "hosted" });
            down = false;
            const again = view.getByRole("alert").getByRole("button", { name: "Try again" });
            // The page has no function, and sets the token that it has when it is asked.
            await page.evaluate(() => {
              element.refreshToken = null;
              element.addEventListener("tokenexpiring", () => element.setAttribute("token", element.getAttribute("token")), { once: true });
            });
            await again.click();
            await view.getByText("Your access has ended").waitFor({ state: "detached" });
            await view.getByText(/limit/i).first().waitFor();

            // Where nobody tries again, a new token mends it as well.
            await page.evaluate(() => {
              window.heard.length = 0;
              element.refreshToken = async () => {
                throw new Error("signed out");
              };
            });
            const third = await token();
            await page.unroute("**/api/v1/**");
            await refusing(page, auth => auth.endsWith(good));
            await view.getByRole("button", { name: "Explain", exact: true }).first().click();
            await view.getByRole("button", { name: "Overview" }).click();
            await heard("token-expired", { message: "signed out" });
            await set("token", third);
            await view.getByText("Your access has ended").waitFor({ state: "detached" });
          },
        );
      },
    ],
    [
      "embed: for another customer another token is asked for, and the page is told whose",
      async () => {
        const made = await token();
        await call("POST", "/customers", { id: "hosted-too", name: "Hosted, too" });
        await call("PUT", "/customers/hosted-too/entities", { entities: [{ id: "sole", entityTypeId: "group", displayName: "Sole" }] });
        const limit = { entityId: "sole", featureId: "hosted-calls", usageLimit: 5, cadence: "P1D" };
        await call("PUT", "/customers/hosted-too/assignments", { assignments: [limit] });
        const other = (await call("POST", "/customers/hosted-too/access-tokens", { permissions: ["read"] })).data.token;
        const of = JSON.stringify({ hosted: made, "hosted-too": other });
        const ask = `window.whose = []; element.refreshToken = async customer => { whose.push(customer); return ${of}[customer]; };`;
        await host(page1(server, 'view="tree" capability="hosted-calls"', ask), {}, async ({ page, view, heard, set }) => {
          await heard("ready", { customer: "hosted" });
          await view.getByRole("row", { name: /Left/ }).waitFor();
          await set("customer", "hosted-too");
          await heard("ready", { customer: "hosted-too" });
          await view.getByRole("row", { name: /Sole/ }).waitFor();
          assert.deepEqual(await page.evaluate(() => [whose, element.getAttribute("token")]), [["hosted", "hosted-too"], other]);
          // One that comes with the customer is taken, and none is asked for.
          await page.evaluate(token => {
            element.setAttribute("customer", "hosted");
            element.setAttribute("token", token);
          }, made);
          await view.getByRole("row", { name: /Left/ }).waitFor();
          assert.equal(await page.evaluate(() => whose.length), 2);
          assert.equal(await page.evaluate(() => heard.filter(([name]) => name === "error").length), 0);
        });
      },
    ],
    [
      "embed: a page that gives tokens which are all refused is told so, and asked in pauses",
      async () => {
        await token();
        const ask = "let n = 0; element.refreshToken = async () => 'bad-' + ++n; window.asked = () => n;";
        await host(page1(server, 'view="tree"', ask), {}, async ({ page, view, heard }) => {
          await refusing(page, () => true);
          await heard("token-expired", { message: "the token that was given is refused" });
          await view.getByText("Your access has ended").waitFor();
          assert.ok((await page.evaluate(() => asked())) <= 3);
        });
      },
    ],
    [
      "embed: what was typed is not lost because the page shows something else; that is asked first",
      async () => {
        await host(page1(server, `token="${await token()}" view="tree" node="top" locale="de-DE"`), {}, async ({ view, heard, set }) => {
          await heard("ready", { node: "top" });
          const drawer = view.getByRole("dialog");
          await drawer.getByRole("tab", { name: "Defaults" }).click();
          await drawer.getByRole("button", { name: "Set a default", exact: true }).click();
          const form = drawer.last();
          await form.getByLabel(/^Amount/).fill("321");
          // What is no locale shows nothing anew.
          await set("locale", "no such language");
          await heard("error", { code: "UnknownLocale" });
          assert.equal(await form.getByLabel(/^Amount/).inputValue(), "321");
          await set("locale", "en-US");
          await view.getByRole("heading", { name: "Discard what you typed?" }).waitFor();
          await view.getByRole("button", { name: "Keep editing" }).click();
          assert.equal(await form.getByLabel(/^Amount/).inputValue(), "321");
          await set("node", "right");
          await view.getByRole("heading", { name: "Discard what you typed?" }).waitFor();
          await view.getByRole("button", { name: "Keep editing" }).click();
          assert.equal(await form.getByLabel(/^Amount/).inputValue(), "321");
          await set("node", "left");
          await view.getByRole("button", { name: "Discard", exact: true }).click();
          await drawer.getByRole("heading", { name: "Left" }).waitFor();
        });
      },
    ],
    [
      "embed: a page that sets again what it was told, late, takes the reader nowhere",
      async () => {
        const html = page1(
          server,
          `token="${await token()}" view="tree" capability="hosted-calls"`,
          // As a component does that keeps the place in its state.
          'element.addEventListener("bursar-navigate", e => e.detail.node === null ? element.removeAttribute("node") : element.setAttribute("node", e.detail.node));',
        );
        await host(html, {}, async ({ page, view, heard }) => {
          await heard("ready", { customer: "hosted" });
          await view.getByRole("row", { name: /Left/ }).click();
          await heard("navigate", { node: "left" });
          await view.getByRole("dialog").getByRole("heading", { name: "Left" }).waitFor();
          const frame = page.frames().find(f => f.url().includes("/embed"));
          // Two places, the second before the first has come back.
          await frame.evaluate(async () => {
            const close = () => document.querySelector("dialog[open] .head button[aria-label=Close]");
            close().click();
            while (close()) await new Promise(done => requestAnimationFrame(done));
            [...document.querySelectorAll("[role=row]")].find(r => /Right/.test(r.textContent)).click();
          });
          await view.getByRole("dialog").getByRole("heading", { name: "Right" }).waitFor();
          await heard("navigate", { node: "right" });
          // Whatever was under way has come back by the time that this has.
          await page.evaluate(() => new Promise(done => setTimeout(done, 0)));
          await frame.evaluate(() => new Promise(done => setTimeout(done, 0)));
          const nodes = await page.evaluate(() => heard.filter(([name]) => name === "navigate").map(([, d]) => d.node));
          assert.deepEqual(nodes, ["left", null, "right"]);
          await view.getByRole("dialog").getByRole("heading", { name: "Right" }).waitFor();
        });
      },
    ],
    [
      "embed: a page that may not show it in a frame is told so",
      async () => {
        const page = await browser.newPage();
        page.setDefaultTimeout(30_000);
        const vendor = createServer((_, res) => res.setHeader("Content-Type", "text/html").end(page1(server, 'token="x"')));
        await new Promise(done => vendor.listen(0, "127.0.0.1", done));
        await page.goto(`http://127.0.0.1:${vendor.address().port}/`);
        const got = await page.waitForFunction(() => heard.find(([name]) => name === "error")?.[1]);
        const { code, message } = await got.jsonValue();
        assert.equal(code, "NoAnswer");
        assert.match(message, /127\.0\.0\.1:\d+ among --embed-origins/);
        await page.close();
        vendor.close();
      },
    ],
    [
      "embed: the component of React shows the view, passes on what it is given, and what it hears",
      async () => {
        const good = await token();
        const use = `
          import { createElement, useState } from "react";
          import { createRoot } from "react-dom/client";
          import { BursarGovernance } from "${resolve(root, "../examples/embed/react.tsx")}";
          window.heard = [];
          const note = name => detail => heard.push([name, detail]);
          function Page() {
            const [node, setNode] = useState("left");
            return createElement("main", null,
              createElement("button", { onClick: () => setNode("right") }, "Right one"),
              createElement(BursarGovernance, {
                baseUrl: "${server.url}", customer: "hosted", view: "tree", node, capability: "hosted-calls", locale: "de-DE", theme: "dark",
                className: "mine", refreshToken: async () => "${good}",
                onReady: note("ready"), onNavigate: at => { setNode(at.node); note("navigate")(at); },
                onChange: note("change"), onTokenExpired: note("token-expired"), onError: note("error"),
              }));
          }
          createRoot(document.getElementById("root")).render(createElement(Page));`;
        const script = await bundle(use);
        const html =
          '<!doctype html><html lang="en"><title>Vendor</title><div id="root"></div><script type="module" src="/page.js"></script></html>';
        await host(html, { "/page.js": () => [200, "text/javascript", script] }, async ({ page, view, heard }) => {
          await heard("ready", { customer: "hosted", view: "tree", node: "left" });
          await view.getByRole("dialog").getByTitle("4.321").first().waitFor();
          await page.locator("bursar-governance.mine").waitFor();
          await page.getByRole("button", { name: "Right one" }).click();
          await heard("navigate", { node: "right" });
          await view.getByRole("dialog").getByRole("button", { name: "Close" }).click();
          await heard("navigate", { node: null });
          await page.getByRole("button", { name: "Right one" }).click();
          await view.getByRole("dialog").getByRole("heading", { name: "Right" }).waitFor();
        });
      },
    ],
  ];
}

/** A page's script, with what it imports. */
async function bundle(text) {
  const entry = "\0page";
  const { output } = (
    await build({
      root,
      configFile: false,
      logLevel: "warn",
      define: { "process.env.NODE_ENV": '"production"' },
      plugins: [
        { name: "page", resolveId: id => (id.endsWith("/page") || id === "page" ? entry : null), load: id => (id === entry ? text : null) },
      ],
      resolve: { alias: Object.fromEntries(["react", "react-dom"].map(p => [p, resolve(root, "node_modules", p)])) },
      build: { write: false, minify: false, lib: { entry: "page", formats: ["es"], fileName: "page" } },
    })
  )[0];
  return output[0].code;
}
