// Names that try to be more than text.
import assert from "node:assert/strict";

const run = "window.__ran=1";
const tags = ["img", "svg", "video", "audio", "body", "iframe", "object", "embed", "details", "marquee"];
export const payloads = [
  ...tags.map(t => `<${t} src=x onerror=${run} onload=${run} ontoggle=${run} open>`),
  ...tags.map(t => `"><${t} onload=${run} src=x onerror=${run}>`),
  `<script>${run}</script>`,
  `</script><script>${run}</script>`,
  `</title><script>${run}</script>`,
  `</textarea><script>${run}</script>`,
  `<!--><script>${run}</script>`,
  `]]><script>${run}</script>`,
  `<scr<script>ipt>${run}</script>`,
  `<svg><script>${run}</script></svg>`,
  `<math><mtext><img src=x onerror=${run}>`,
  `<a href="javascript:${run}">x</a>`,
  `javascript:${run}`,
  `data:text/html,<script>${run}</script>`,
  `' onmouseover='${run}`,
  `" autofocus onfocus="${run}`,
  `\` onmouseover=\`${run}`,
  `{{constructor.constructor('${run}')()}}`,
  `\${${run}}`,
  `#{${run}}`,
  `<%= ${run} %>`,
  `{% ${run} %}`,
  `<style>@import 'javascript:${run}'</style>`,
  `<link rel=stylesheet href="javascript:${run}">`,
  `<meta http-equiv=refresh content="0;javascript:${run}">`,
  `<base href="javascript:/">`,
  `<form action="javascript:${run}"><input type=submit>`,
  `<template><img src=x onerror=${run}></template>`,
  `%3Cscript%3E${run}%3C/script%3E`,
  `&lt;script&gt;${run}&lt;/script&gt;`,
  `__proto__`,
  `\u202e<script>${run}</script>`,
];

export function hostileTests(browser, server) {
  return [
    [
      `hostile: ${payloads.length} display names execute nothing`,
      async () => {
        assert.ok(payloads.length >= 50);
        const { call } = server;
        await call("PUT", "/entity-types", {
          types: [{ id: "evil", displayName: payloads[0], attributionKeys: ["evilId"], description: payloads[20] }],
        });
        await call("POST", "/features", {
          id: "evil",
          displayName: payloads[1],
          featureType: "NUMBER",
          featureUnits: payloads[2],
          featureUnitsPlural: payloads[3],
        });
        await call("POST", "/customers", { id: "evil", name: payloads[4], email: payloads[5] });
        await call("POST", "/credits/custom-currencies", { id: "evil", displayName: payloads[6], symbol: "<b>" });
        await call("POST", "/credits/grants", {
          customerId: "evil",
          currencyId: "evil",
          amount: 1,
          displayName: payloads[7],
          comment: payloads[8],
          grantType: "PAID",
        });
        await call("POST", "/api-keys", { name: payloads[9], scope: "read" });
        await call("POST", "/webhooks", { url: "http://127.0.0.1:9/x", description: payloads[10] });
        await call("PUT", "/customers/evil/entities", {
          entities: payloads.map((displayName, i) => ({ id: `e${i}`, entityTypeId: "evil", displayName, metadata: { x: displayName } })),
        });
        await call("PUT", "/customers/evil/assignments", {
          assignments: payloads.map((_, i) => ({ entityId: `e${i}`, featureId: "evil", usageLimit: i, cadence: "P1D" })),
        });
        const page = await browser.newPage({ viewport: { width: 1280, height: 3200 } });
        let asked = 0;
        const refused = [];
        page.on("dialog", d => {
          asked++;
          void d.dismiss();
        });
        page.on("console", m => /Content Security Policy/.test(m.text()) && refused.push(m.text()));
        await page.addInitScript(key => sessionStorage.setItem("bursar-key", key), server.key);
        const at = "/console/customers/evil";
        for (const path of [
          `${at}/tree`,
          at,
          `${at}/usage`,
          `${at}/tree?node=e0`,
          `${at}/tree?node=e20`,
          `${at}/credits`,
          `${at}/activity`,
          `${at}/explain`,
          `/console/customers/${encodeURIComponent(payloads[20])}`,
          "/console/customers",
          "/console/catalogue/types",
          "/console/catalogue/features",
          "/console/catalogue/currencies",
          "/console/developers/keys",
          "/console/developers/webhooks",
          `/embed#customer=evil&theme=${encodeURIComponent(payloads[20])}&token=${server.key}`,
        ]) {
          await page.goto(server.url + path);
          await page.waitForTimeout(600);
          if (path === `${at}/tree`) {
            await page.locator(".grid .name").nth(49).waitFor();
            // All of them are there, as text.
            const shown = await page.evaluate(() => document.querySelectorAll(".grid .name").length);
            assert.ok(shown >= 50, `${shown} shown`);
            assert.ok(await page.getByText(payloads[20], { exact: true }).count());
          }
          assert.equal(await page.evaluate(() => window.__ran), undefined, path);
        }
        assert.equal(asked, 0);
        assert.deepEqual(refused, [], "the policy had nothing to refuse");
        await page.close();
      },
    ],
  ];
}
