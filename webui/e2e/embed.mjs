// The element in a vendor's page of another origin.
import assert from "node:assert/strict";
import { createServer } from "node:http";

const page1 = (server, attributes) => `<!doctype html><html lang="en"><title>Vendor</title>
<style>bursar-governance { --bursar-accent: rgb(120, 40, 200); }</style>
<script src="${server.url}/embed.js"></script>
<bursar-governance customer="shop" view="tree" ${attributes}></bursar-governance>
<script>
  window.asked = 0;
  document.querySelector("bursar-governance").addEventListener("tokenexpiring", () => window.asked++);
</script></html>`;

export function embedTests(browser, server) {
  return [
    [
      "embed: the element shows the tree, themed, and asks for new tokens",
      async () => {
        const { call } = server;
        await call("PUT", "/entity-types", { types: [{ id: "group", displayName: "Group", attributionKeys: ["groupId"] }] });
        await call("POST", "/features", { id: "calls", displayName: "Calls", featureType: "NUMBER" });
        await call("POST", "/customers", { id: "shop", name: "Shop" });
        await call("PUT", "/customers/shop/entities", {
          entities: [
            { id: "all", entityTypeId: "group", displayName: "All" },
            { id: "search", entityTypeId: "group", displayName: "Search", parentId: "all" },
          ],
        });
        await call("PUT", "/customers/shop/assignments", {
          assignments: [{ entityId: "search", featureId: "calls", usageLimit: 10, cadence: "P1D" }],
        });
        // Servers without access tokens are asked with a key, for the sake of the test alone.
        const token = async permissions => {
          const got = await server
            .call("POST", "/customers/shop/access-tokens", { permissions, expiresInSeconds: 3600, subject: "ada" })
            .catch(() => null);
          return got?.data.token ?? server.key;
        };
        const good = await token(["read", "manage"]);
        let html = page1(server, `token="${good}" theme="dark"`);
        const vendor = createServer((_, res) => {
          res.setHeader("Content-Type", "text/html");
          res.end(html);
        });
        await new Promise(done => vendor.listen(server.vendorPort, "127.0.0.1", done));
        const at = `http://localhost:${server.vendorPort}/`;
        const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
        page.setDefaultTimeout(30_000);
        const urls = [];
        page.on("request", r => urls.push(r.url()));
        await page.goto(at);
        const frame = page.frameLocator("iframe");
        await frame.getByRole("row", { name: /Search/ }).waitFor();
        assert.ok(
          urls.every(u => !u.includes(good)),
          "the token is in no address",
        );
        const inner = page.frames().find(f => f.url().startsWith(server.url));
        assert.equal(await inner.evaluate(() => document.documentElement.dataset.theme), "dark");
        assert.equal(
          await inner.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--bursar-accent").trim()),
          "rgb(120, 40, 200)",
        );
        assert.equal(await inner.evaluate(() => location.hash), "");
        await page.evaluate(() => document.querySelector("bursar-governance").setAttribute("theme", "light"));
        await inner.waitForFunction(() => document.documentElement.dataset.theme === "light");
        const height = await page.locator("iframe").evaluate(f => f.clientHeight);
        assert.ok(height >= 420 && height <= 860, `${height}`);
        await frame.getByRole("row", { name: /Search/ }).click();
        await frame.getByRole("dialog").getByText("Remaining").first().waitFor();
        await frame.getByRole("dialog").getByRole("button", { name: "Edit" }).first().waitFor();

        // A message of another origin, or of another shape, changes nothing.
        await page.evaluate(() => {
          const f = document.querySelector("bursar-governance").shadowRoot.querySelector("iframe");
          f.contentWindow.postMessage(
            { namespace: "penpal", channel: "x", type: "CALL", methodPath: ["configure"], args: [{ customer: "evil", theme: "dark" }] },
            "*",
          );
          f.contentWindow.postMessage("configure", "*");
        });
        await page.waitForTimeout(300);
        assert.equal(await inner.evaluate(() => document.documentElement.dataset.theme), "light");

        // A refused token is replaced by the page's next one.
        html = page1(server, 'token="eyJx.eyJ9.x"').replace(
          "window.asked = 0;",
          `window.asked = 0; document.querySelector("bursar-governance").refreshToken = async () => "${good}";`,
        );
        await page.goto(at);
        await page
          .frameLocator("iframe")
          .getByRole("row", { name: /Search/ })
          .waitFor();
        assert.ok((await page.evaluate(() => window.asked)) >= 1);

        const reading = await token(["read"]);
        if (reading !== server.key) {
          html = page1(server, `token="${reading}"`);
          await page.goto(at);
          await page
            .frameLocator("iframe")
            .getByRole("row", { name: /Search/ })
            .waitFor();
          assert.equal(await page.frameLocator("iframe").getByRole("button", { name: "Import" }).count(), 0);
        }
        // A subtree's admin sees its root and may not raise it.
        const rooted = await call("POST", "/customers/shop/access-tokens", { permissions: ["manage"], rootEntityId: "all" }).catch(
          () => null,
        );
        if (rooted) {
          html = page1(server, `token="${rooted.data.token}"`);
          await page.goto(at);
          await page.frameLocator("iframe").getByRole("row", { name: /All/ }).click();
          const drawer = page.frameLocator("iframe").getByRole("dialog");
          await drawer.getByText("No limit of its own").waitFor();
          assert.equal(await drawer.getByRole("button", { name: "Set a limit" }).count(), 0);
          await page.keyboard.press("Escape");

          // It may ask what would be granted, and is told that only its own limits were asked.
          const view = page.frameLocator("iframe");
          await view.getByRole("button", { name: "Explain", exact: true }).click();
          await view.getByLabel("Requested by").fill("sea");
          await view.getByRole("option", { name: /Search/ }).click();
          await view.getByLabel("Amount").fill("11");
          const ask = view.getByRole("button", { name: "Explain", exact: true }).last();
          await ask.click();
          const answer = view.getByRole("region", { name: "Answer" });
          await answer.getByText("needs a limit of 11 (1 more)").first().waitFor();
          await view.getByLabel("Amount").fill("9");
          await ask.click();
          await answer.getByText("Yes: 9 would be granted by the limits you see").waitFor();
          await answer.getByText("Only limits of All and below were asked").waitFor();
        }
        await page.close();
        vendor.close();
      },
    ],
    [
      "embed: readable from 320 to 1,600 pixels",
      async () => {
        const { call } = server;
        await call("PUT", "/entity-types", { types: [{ id: "group", displayName: "Group", attributionKeys: ["groupId"] }] });
        await call("POST", "/customers", { id: "wide", name: "Wide" });
        await call("POST", "/features", { id: "rows", displayName: "Rows", featureType: "NUMBER" });
        const names = ["Customer success", "Research and development", "Pipeline doctor", "Fjord large model"];
        await call("PUT", "/customers/wide/entities", {
          entities: names.map((displayName, i) => ({
            id: `w${i}`,
            entityTypeId: "group",
            displayName,
            ...(i > 1 ? { parentId: "w0" } : {}),
          })),
        });
        await call("PUT", "/customers/wide/assignments", {
          assignments: names.flatMap((_, i) => [
            { entityId: `w${i}`, featureId: "rows", usageLimit: 1_234_567, cadence: "P1M" },
            { entityId: `w${i}`, featureId: "rows", usageLimit: 12_345, cadence: "P1D", label: "pilot" },
          ]),
        });
        const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
        page.setDefaultTimeout(60_000);
        await page.goto(`${server.url}/embed#customer=wide&view=tree&token=${server.key}`);
        await page.getByLabel("Capability").selectOption("feature:rows");
        await page.getByRole("row", { name: /Research and development/ }).waitFor();
        for (const width of [320, 360, 480, 640, 700, 768, 800, 860, 899, 940, 1024, 1280, 1600]) {
          await page.setViewportSize({ width, height: 900 });
          await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
          const seen = await page.evaluate(() =>
            [...document.querySelectorAll(".grid-row.placed")].map(row => {
              const name = row.querySelector(".name");
              const status = row.querySelector(".c-status .badge").getBoundingClientRect();
              return { name: name.textContent, cut: name.scrollWidth - name.clientWidth, room: name.clientWidth, right: status.right };
            }),
          );
          assert.ok(seen.length >= 2, `${width}: ${seen.length} rows`);
          for (const r of seen) {
            assert.ok(r.right <= width, `${width}: the status of ${r.name} ends at ${r.right}`);
            assert.ok(r.cut <= 0 || r.room >= 120, `${width}: ${r.name} has ${r.room} px`);
          }
        }
        await page.close();
      },
    ],
  ];
}
