import { expect, it } from "vitest";
import { blank, merge } from "./conflict";

const base = { ...blank, amount: "10", thresholds: "80" };

it("what was not touched becomes what another one saved", () => {
  const got = merge({ ...base, thresholds: "90" }, base, { ...base, amount: "20" });
  expect(got.draft).toEqual({ ...base, amount: "20", thresholds: "90" });
  expect(got.clashes).toEqual([{ field: "amount", theirs: "20", kept: false }]);
});

it("what both changed stays as typed, and is said", () => {
  const got = merge({ ...base, amount: "15" }, base, { ...base, amount: "20" });
  expect(got.draft.amount).toBe("15");
  expect(got.clashes).toEqual([{ field: "amount", theirs: "20", kept: true }]);
});

it("who has typed an amount keeps it, although another one has made it unlimited", () => {
  const got = merge({ ...base, amount: "15" }, base, { ...base, amount: "", unlimited: true });
  expect(got.draft).toEqual({ ...base, amount: "15" });
  expect(got.clashes.every(c => c.kept)).toBe(true);
});

it("the same change twice is no clash of values", () => {
  const got = merge({ ...base, amount: "20" }, base, { ...base, amount: "20" });
  expect(got.draft.amount).toBe("20");
  expect(got.clashes).toEqual([{ field: "amount", theirs: "20", kept: false }]);
});
