import { expect, it } from "vitest";
import { plainCell, readCsv, safeCell, writeCsv } from "./csv";

it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])("%j is no formula", cell => {
  expect(safeCell(cell)[0]).toBe("'");
  expect(plainCell(safeCell(cell))).toBe(cell);
});

it("leaves other cells alone", () => {
  for (const cell of ["", "a", "1", "'quoted'", "it's"]) expect(plainCell(safeCell(cell))).toBe(cell);
});

it("reads back what it wrote", async () => {
  const rows = [
    ["a,b", '=HYPERLINK("http://x")'],
    ["line\nbreak", '"q"'],
  ];
  const text = await writeCsv(["id", "name"], rows);
  expect(text).toContain(`"'=HYPERLINK(""http://x"")"`);
  const got = await readCsv(`\ufeff${text}`);
  expect(got.problem).toBeNull();
  expect(got.rows.map(r => [r.id, r.name])).toEqual(rows);
});

it("numbers are numbers", async () => {
  expect(await writeCsv(["id", "change"], [["-1", "-0.5"]], 1)).toBe("id,change\r\n'-1,-0.5");
});
