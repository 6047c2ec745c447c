// Builds dist: the two pages, and embed.js, which is one classic script for other people's
// pages. With a directory as argument it builds there. The same source makes the same bytes.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const outDir = resolve(process.argv[2] ?? "dist");

await build({ build: { outDir, emptyOutDir: true }, logLevel: "warn" });
await build({
  configFile: false,
  logLevel: "warn",
  build: {
    outDir,
    emptyOutDir: false,
    target: "es2020",
    reportCompressedSize: false,
    lib: { entry: "src/embed/element.ts", formats: ["iife"], name: "BursarGovernance", fileName: () => "embed.js" },
  },
});

const kB = bytes => `${(bytes / 1000).toFixed(1).padStart(7)} kB`;
const size = file => gzipSync(readFileSync(join(outDir, file)), { level: 9 }).length;
const files = readdirSync(outDir, { recursive: true, withFileTypes: true })
  .filter(f => f.isFile())
  .map(f => join(f.parentPath, f.name).slice(outDir.length + 1))
  .sort();
for (const f of files) console.log(kB(size(f)), f);

// What a page loads before it shows anything: what its HTML names.
for (const page of ["embed.html", "console.html"]) {
  const html = readFileSync(join(outDir, page), "utf8");
  const named = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map(m => m[1]);
  const total = size(page) + named.reduce((sum, f) => sum + size(f), 0);
  console.log(`${page}: first load ${kB(total).trim()} gzip`);
  const most = page === "embed.html" ? 150_000 : 250_000;
  if (total > most) {
    console.error(`${page} loads more than ${most / 1000} kB gzip`);
    process.exitCode = 1;
  }
}
