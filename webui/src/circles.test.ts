import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";

// What each source imports of the others, types too.
function imports(): Map<string, string[]> {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter(f => /\.tsx?$/.test(f) && !f.includes(".test."))
    .map(f => join("src", f));
  const known = new Set(files.map(f => f.replace(/\.tsx?$/, "")));
  return new Map(
    files.map(f => {
      const found = [...readFileSync(f, "utf8").matchAll(/^(?:import|export) [^;]*?from "(\.[^"]*)"/gm)];
      const names = found.map(m => resolve(dirname(f), m[1] ?? "").slice(resolve(".").length + 1));
      return [f.replace(/\.tsx?$/, ""), names.map(n => (known.has(n) ? n : `${n}/index`))];
    }),
  );
}

test("no sources import each other in a circle", () => {
  const all = imports();
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (f: string, path: string[]) => {
    if (path.includes(f)) circles.push([...path.slice(path.indexOf(f)), f].join(" -> "));
    if (done.has(f) || path.includes(f)) return;
    for (const next of all.get(f) ?? []) visit(next, [...path, f]);
    done.add(f);
  };
  for (const f of all.keys()) visit(f, []);
  expect(circles).toEqual([]);
});
