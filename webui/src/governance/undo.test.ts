import { expect, it } from "vitest";
import type { Assignment } from "../api/types";
import { ChangedSince, stepBack } from "./undo";

const limit = (over: Partial<Assignment> = {}): Assignment => ({
  id: "a",
  revision: "r1",
  entityId: "e",
  scopeEntityIds: [],
  featureId: "f",
  usageLimit: 10,
  effectiveUsageLimit: 10,
  cadence: "P1M",
  label: "",
  enforcement: "hard",
  alertThresholds: [80],
  timezone: "UTC",
  anchor: null,
  allocation: "none",
  createdAt: "",
  updatedAt: "",
  ...over,
});

it("takes back the fields that it changed and leaves what others changed", () => {
  const now = limit({ usageLimit: 20, alertThresholds: [90] });
  const step = stepBack(limit(), limit({ usageLimit: 20 }), now);
  expect(step?.put).toMatchObject({ usageLimit: { text: "10" }, alertThresholds: [90] });
});

it("refuses when the same field was changed again", () => {
  expect(() => stepBack(limit(), limit({ usageLimit: 20 }), limit({ usageLimit: 30 }))).toThrow(ChangedSince);
  expect(() => stepBack(limit(), limit({ usageLimit: 20 }), null)).toThrow(ChangedSince);
});

it("deletes what it made, unless it was changed since", () => {
  expect(stepBack(undefined, limit(), limit())).toMatchObject({ now: { id: "a" }, put: null, end: true });
  expect(stepBack(undefined, limit(), null)).toBeNull();
  expect(() => stepBack(undefined, limit(), limit({ enforcement: "soft" }))).toThrow(ChangedSince);
});

it("an amount is the same however it is written", () => {
  expect(stepBack(limit(), limit({ usageLimit: "20.0" }), limit({ usageLimit: 20 }))?.put).toMatchObject({ usageLimit: { text: "10" } });
});

const given = { defaultOf: { defaultId: "d", entityId: null, entityTypeId: "user" } };

it("an own limit in the place of one by default says what that said, and ends", () => {
  const before = limit({ ...given, id: "by default" });
  const own = limit({ usageLimit: 20 });
  expect(stepBack(before, own, own)).toMatchObject({ put: { usageLimit: { text: "10" } }, end: true });
  // Half of it was done before.
  expect(stepBack(before, own, limit(), true)).toMatchObject({ put: null, end: true });
  // Somebody else has set what the default says, or made another one.
  expect(() => stepBack(before, own, limit())).toThrow(ChangedSince);
  expect(() => stepBack(before, own, limit({ usageLimit: 20, createdAt: "later" }))).toThrow(ChangedSince);
  expect(stepBack(before, own, null)).toBeNull();
  expect(() => stepBack(before, own, limit({ usageLimit: 30 }))).toThrow(ChangedSince);
  // It said the same as the default, and somebody else has changed it since.
  expect(() => stepBack(before, limit(), limit({ cadence: "P1D" }))).toThrow(ChangedSince);
});

it("what is as it was before has nothing to take back", () => {
  expect(stepBack(limit(), limit({ usageLimit: 20 }), limit())).toBeNull();
  expect(stepBack(limit(), limit(), null)).toBeNull();
});
