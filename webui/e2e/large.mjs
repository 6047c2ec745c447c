// A tree of 100,000.
import assert from "node:assert/strict";
import { join } from "node:path";
import { out, call as request } from "./rig.mjs";

const teams = 100;
const perTeam = 999;

export function largeTests(browser, server) {
  return [
    [
      "large: 100,000 nodes open and scroll",
      async () => {
        const { api, key } = server;
        const call = (method, path, body) => request(api, key, method, path, body);
        await call("POST", "/customers", { id: "large", name: "Large" });
        await call("PUT", "/entity-types", { types: [{ id: "unit", displayName: "Unit", attributionKeys: ["unitId"] }] });
        await call("POST", "/features", { id: "units", displayName: "Units", featureType: "NUMBER" });
        const entities = [{ id: "root", entityTypeId: "unit", displayName: "Everything" }];
        for (let t = 0; t < teams; t++) {
          entities.push({ id: `t${t}`, entityTypeId: "unit", displayName: `Team ${t}`, parentId: "root" });
          for (let u = 0; u < perTeam; u++)
            entities.push({ id: `t${t}.u${u}`, entityTypeId: "unit", displayName: `User ${u} of team ${t}`, parentId: `t${t}` });
        }
        await inChunks(entities, 100, chunk => call("PUT", "/customers/large/entities", { entities: chunk }));
        const limited = entities.filter((_, i) => i % 10 === 0 || i < 2);
        const limit = e => ({ entityId: e.id, featureId: "units", usageLimit: 1000 + (e.id.length % 7), cadence: "P1M" });
        await inChunks(limited, 100, chunk => call("PUT", "/customers/large/assignments", { assignments: chunk.map(limit) }));

        const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
        await page.addInitScript(k => sessionStorage.setItem("bursar-key", k), key);
        await page.goto(`${server.url}/console`);
        const start = performance.now();
        await page.goto(`${server.url}/console/customers/large/tree`);
        await page.getByRole("row", { name: /Team/ }).first().waitFor();
        const first = performance.now() - start;
        const openStart = performance.now();
        await page.getByRole("button", { name: "Open all" }).click();
        await page.waitForFunction(n => Number(document.querySelector('[role="treegrid"]').getAttribute("aria-rowcount")) > n, 100_000, {
          timeout: 120_000,
        });
        const all = performance.now() - openStart;
        const frames = await page.evaluate(async () => {
          const grid = document.querySelector('[role="treegrid"]');
          const took = [];
          let last = performance.now();
          for (let i = 0; i < 120; i++) {
            grid.scrollTop += 800;
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            took.push(now - last);
            last = now;
          }
          return took.sort((a, b) => a - b);
        });
        const rows = await page.locator('[role="row"]').count();
        await page.screenshot({ path: join(out, "large-1280-light.png") });
        console.log(
          `      ${entities.length.toLocaleString("en")} nodes: interactive after ${Math.round(first)} ms, all open after ${Math.round(all)} ms, ` +
            `frame median ${frames[60].toFixed(1)} ms, p95 ${frames[114].toFixed(1)} ms, ${rows} rows in the page`,
        );
        assert.ok(first < 5000);
        assert.ok(rows < 100);
        // The end of the list is reached by keyboard, and found by name on the server.
        await page.getByRole("treegrid").focus();
        await page.keyboard.press("End");
        await page.waitForTimeout(300);
        assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-activedescendant") !== null), true);
        await page.getByLabel("Find by name or id").fill("User 998 of team 99");
        await page.getByRole("row", { name: /User 998 of team 99/ }).waitFor();
        await page.close();
      },
    ],
  ];
}

async function inChunks(items, size, send) {
  const chunks = [];
  for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size));
  // In order: a parent comes before its children.
  for (const c of chunks) await send(c);
}
