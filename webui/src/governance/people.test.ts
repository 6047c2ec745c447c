import { expect, it } from "vitest";
import { Exact } from "../api/json";
import type { Entity, EntityType } from "../api/types";
import { cellsOf, inOrder, isSame, planOf } from "./people";

const types = [
  { id: "team", displayName: "Team", archivedAt: null },
  { id: "agent", displayName: "Agent", archivedAt: null },
  { id: "bot", displayName: "Robot", archivedAt: "2026-01-01T00:00:00Z" },
] as EntityType[];
const there: Record<string, Entity> = {
  pricing: { id: "pricing", entityTypeId: "team", displayName: "Pricing", parentId: null, archivedAt: null } as Entity,
  gone: { id: "gone", entityTypeId: "team", displayName: "Gone", parentId: null, archivedAt: "2026-01-01T00:00:00Z" } as Entity,
};
const known = (id: string) => there[id] ?? null;
const rows = (...lines: string[]) => lines.map((l, i) => ({ line: i + 1, cells: l.split(",") }));
const plan = (...lines: string[]) =>
  planOf(cellsOf(rows(...lines)).lines, { typeId: "agent", parentId: "pricing", limit: null }, types, known);

it("takes names alone, five columns in their order, and columns by name", () => {
  expect(plan("Résumé reader", "Triage")).toMatchObject([
    { id: "resume-reader", name: "Résumé reader", typeId: "agent", parentId: "pricing", problem: null },
    { id: "triage" },
  ]);
  expect(plan("a1,Ann,team,,5")).toMatchObject([{ id: "a1", name: "Ann", typeId: "team", parentId: "pricing", limit: { text: "5" } }]);
  expect(plan("Limit,Name,parentId", "7,Bo,a9", "8,A9,")).toMatchObject([
    { id: "bo", parentId: "a9", limit: { text: "7" }, problem: null },
    { id: "a9", problem: null },
  ]);
  expect(cellsOf(rows("name,colour", "a,b")).problem).toMatch(/no column “colour”/);
});

it.each([
  ["x y,Bad", /is no id/],
  ["archive,Bad", /reserved/],
  ["Pricing", /already: give this line an id/],
  ["a,A,pilot", /no type “pilot”/],
  ["a,A,Robot", /archived/],
  ["a,A,,nobody", /nobody with the id “nobody”/],
  ["a,A,,gone", /“gone” is archived/],
  ["a,A,,a", /below itself/],
  ["a,A,,,1.500", /could mean/],
])("%s is a problem", (line, says) => expect(plan(line)[0]?.problem).toMatch(says));

it("tells lines with one id, circles, and what is there already", () => {
  expect(plan("Ann", "Bo", "ann")[2]?.problem).toMatch(/that of line 1/);
  expect(plan("a,A,,b", "b,B,,a").map(p => p.problem)).toEqual(["it would be below itself", "it would be below itself"]);
  expect(plan("pricing,Pricing").map(isSame)).toEqual([true]);
  expect(plan("pricing,Prices").map(isSame)).toEqual([false]);
});

it("sets the limits of whom the same list has added before", () => {
  const again = { typeId: "team", parentId: null, limit: new Exact("5"), made: new Set(["pricing"]) };
  const { lines } = cellsOf(rows("Pricing"));
  expect(planOf(lines, again, types, known)).toMatchObject([{ problem: null, limit: { text: "5" } }]);
  expect(planOf(lines, { ...again, made: new Set() }, types, known)[0]?.problem).toMatch(/already/);
});

it("writes whoever is above first", () => {
  expect(inOrder(plan("c,C,,b", "b,B,,a", "a,A")).map(p => p.id)).toEqual(["a", "b", "c"]);
});
