import { expect, it } from "vitest";
import { cadenceWords, perCadence, since, until } from "./time";

it.each([
  ["P1M", "month"],
  ["PT15M", "15 min"],
  ["PT1H", "hour"],
  ["P2W", "2 weeks"],
  ["P100Y", "all time"],
  ["odd", "odd"],
])("%s is %s", (c, want) => expect(cadenceWords(c)).toBe(want));

it.each([
  ["P1D", "per day"],
  ["PT15M", "per 15 min"],
  ["P100Y", "for all time"],
])("%s is %s", (c, want) => expect(perCadence(c)).toBe(want));

it("cuts distances", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(until("2026-01-01T00:59:59Z", now)).toBe("in 59 min");
  expect(until("2026-01-03T23:00:00Z", now)).toBe("in 2 d");
  expect(until("2125-01-01T00:00:00Z", now)).toBe("never");
  expect(since(now - 61_000, now)).toBe("1 min ago");
});
