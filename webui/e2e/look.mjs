// Screenshots of the screens that are named, or of all, for people to look at:
//   node e2e/look.mjs URL KEY [name …]
import { join } from "node:path";
import { front, out, startBrowser } from "./rig.mjs";
import { screens } from "./screens.mjs";

const [api, key, ...names] = process.argv.slice(2);
const pages = await front(api);
const browser = await startBrowser();
const sizes = process.env.SIZES?.split(",") ?? ["1280", "320"];
const themes = process.env.THEMES?.split(",") ?? ["light", "dark"];
for (const theme of themes)
  for (const size of sizes) {
    const page = await browser.newPage({
      viewport: { width: Number(size), height: size === "1280" ? 800 : 640 },
      colorScheme: theme,
      deviceScaleFactor: 1,
    });
    page.on("console", m => m.type() === "error" && !/404|403/.test(m.text()) && console.log("console:", m.text()));
    page.on("pageerror", e => console.log("page:", e.message));
    await page.goto(`${pages.url}/console`);
    await page.evaluate(k => sessionStorage.setItem("bursar-key", k), key);
    for (const s of screens) {
      if (names.length && !names.includes(s.name)) continue;
      try {
        await page.goto(pages.url + s.path(key));
        await s.show?.(page);
        await page.waitForTimeout(350);
        await page.screenshot({ path: join(out, `${s.name}-${size}-${theme}.png`) });
      } catch (e) {
        console.log(`${s.name} ${size} ${theme}: ${e.message.split("\n")[0]}`);
        await page.screenshot({ path: join(out, `${s.name}-${size}-${theme}.png`) });
      }
    }
    await page.close();
  }
await browser.close();
pages.close();
process.exit(0);
