// End to end, in a real browser, against the real binary: node e2e/run.mjs [pattern of names]
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { defaultTests } from "./defaults.mjs";
import { editTests } from "./edit.mjs";
import { embedTests } from "./embed.mjs";
import { embedHostTests } from "./embed-host.mjs";
import { flowTests } from "./flows.mjs";
import { hostileTests } from "./hostile.mjs";
import { insightTests } from "./insight.mjs";
import { largeTests } from "./large.mjs";
import { moneyTests } from "./money.mjs";
import { notificationTests } from "./notifications.mjs";
import { requestTests } from "./requests.mjs";
import { out, startBrowser, startDemo, startServer, stopAll } from "./rig.mjs";
import { furnish, screens } from "./screens.mjs";
import { stoppedTests } from "./stopped.mjs";
import { truthTests } from "./truth.mjs";
import { ungovernedTests } from "./ungoverned.mjs";

const only = process.argv[2] ?? "";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Every screen in both themes and at both widths: a picture, and no serious finding of axe. */
async function screenTests(browser) {
  const demo = await startDemo();
  await furnish(demo.call);
  return screens.map(s => [
    `screen ${s.name}`,
    async () => {
      for (const theme of ["light", "dark"])
        for (const width of [1280, 320]) {
          const page = await browser.newPage({
            viewport: { width, height: width === 320 ? 640 : 800 },
            colorScheme: theme,
            bypassCSP: true,
          });
          try {
            await page.addInitScript(key => sessionStorage.setItem("bursar-key", key), demo.key);
            await page.goto(demo.url + s.path(demo.key));
            await s.show?.(page);
            await page.waitForTimeout(250);
            await page.screenshot({ path: join(out, `${s.name}-${width}-${theme}.png`) });
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            if (wide > 0) throw new Error(`${wide} px wider than the window of ${width}`);
            await page.evaluate(axe);
            const got = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
            const bad = got.violations.filter(v => v.impact === "serious" || v.impact === "critical");
            if (bad.length)
              throw new Error(
                `${theme} ${width}: ${bad.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => `${n.target} ${n.any[0]?.message ?? ""}`)}`).join("; ")}`,
              );
          } finally {
            await page.close();
          }
        }
    },
  ]);
}

const browser = await startBrowser();
let failed = 0;
let passed = 0;
let broken = false;
try {
  const tests = [];
  const wants = name => new RegExp(only).test(name);
  if (!/^(screen|insight|edit|default|ungoverned|request|notification|stopped)/.test(only)) {
    const server = await startServer();
    tests.push(
      ...flowTests(browser, server, createServer),
      ...moneyTests(browser, server),
      ...truthTests(browser, server),
      ...hostileTests(browser, server),
      ...embedTests(browser, server),
      ...embedHostTests(browser, server),
      ...largeTests(browser, server),
    );
  }
  if (only === "" || only.startsWith("default")) tests.push(...(await defaultTests(browser)));
  if (only === "" || only.startsWith("request")) tests.push(...(await requestTests(browser)));
  if (only === "" || only.startsWith("notification")) tests.push(...(await notificationTests(browser)));
  if (only === "" || only.startsWith("ungoverned")) tests.push(...(await ungovernedTests(browser)));
  if (only === "" || only.startsWith("stopped")) tests.push(...(await stoppedTests(browser)));
  if (only === "" || only.startsWith("edit")) tests.push(...(await editTests(browser)));
  if (only === "" || only.startsWith("insight")) tests.push(...(await insightTests(browser)));
  if (only === "" || only.startsWith("screen")) tests.push(...(await screenTests(browser)));
  for (const [name, test] of tests) {
    if (!wants(name)) continue;
    // Flows go on from one another.
    if (broken && name.startsWith("flow")) continue;
    const start = performance.now();
    try {
      await test();
      passed++;
      console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
    } catch (e) {
      failed++;
      broken ||= name.startsWith("flow");
      console.log(`FAIL  ${name}\n      ${e.stack?.split("\n").slice(0, 6).join("\n      ")}`);
    }
  }
} finally {
  await browser.close();
  stopAll();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
