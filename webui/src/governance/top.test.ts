import { expect, it } from "vitest";
import type { TreeRow } from "../api/types";
import { topOf } from "./top";

const row = (entityId: string, entityTypeId: string, childCount: number) => ({ entityId, entityTypeId, childCount }) as TreeRow;

it("only the one at the top stands for all", () => {
  expect(topOf([row("org", "org", 3)])).toMatchObject({ root: { entityId: "org" }, typeId: "org" });
});

it("of many at the top none stands for all, though only one has anything below it", () => {
  const users = Array.from({ length: 30 }, (_, i) => row(`u${i}`, "user", i === 7 ? 1 : 0));
  expect(topOf([row("org", "org", 9), ...users])).toEqual({ root: null, typeId: "user" });
  expect(topOf([])).toEqual({ root: null, typeId: "" });
});
