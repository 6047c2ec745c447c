import { expect, it } from "vitest";
import type { Grant, Rate } from "../api/types";
import { burnOrder } from "./burn";
import { diffRates, matchText, parseMatch, perMillion } from "./rates";

it("shows a price per million exactly", () => {
  expect(perMillion({ featureId: "f", amount: "0.000000001", per: 1, match: {} })).toBe("0.001");
  expect(perMillion({ featureId: "f", amount: 15, per: 1_000_000, match: {} })).toBe("15");
  expect(perMillion({ featureId: "f", amount: 2.5, per: 1000, match: {} })).toBe("2500");
});

it("compares versions by price, whatever they are stated per", () => {
  const before: Rate[] = [
    { featureId: "f", amount: 3, per: 1_000_000, match: { model: "a" } },
    { featureId: "f", amount: 1, per: 1_000_000, match: {} },
  ];
  const after: Rate[] = [
    { featureId: "f", amount: "0.000003", per: 1, match: { model: ["a"] } },
    { featureId: "g", amount: 2, per: 1_000_000, match: {} },
  ];
  expect(diffRates(before, after)).toEqual([
    { featureId: "g", match: "", before: null, after: "2" },
    { featureId: "f", match: "", before: "1", after: null },
  ]);
});

it("reads matches as it writes them", () => {
  const match = { model: ["a", "b"], region: ["eu"] };
  expect(parseMatch(matchText(match))).toEqual(match);
  expect(parseMatch("")).toEqual({});
  expect(parseMatch("model")).toBeNull();
});

it("orders grants as they are burned", () => {
  const grant = (id: string, more: Partial<Grant>): Grant => ({
    id,
    currencyId: "c",
    displayName: id,
    amount: 10,
    consumedAmount: 0,
    grantType: "PAID",
    status: "ACTIVE",
    effectiveAt: "2026-01-01T00:00:00Z",
    expireAt: null,
    priority: 0,
    comment: null,
    createdAt: "2026-01-01T00:00:00Z",
    ...more,
  });
  const got = burnOrder([
    grant("never", {}),
    grant("late", { expireAt: "2027-01-01T00:00:00Z" }),
    grant("soon", { expireAt: "2026-06-01T00:00:00Z" }),
    grant("soon-promo", { expireAt: "2026-06-01T00:00:00Z", grantType: "PROMOTIONAL" }),
    grant("last", { priority: 1, expireAt: "2026-02-01T00:00:00Z" }),
    grant("used", { consumedAmount: 10 }),
    grant("scheduled", { status: "SCHEDULED" }),
  ]);
  expect(got.map(g => g.id)).toEqual(["soon-promo", "soon", "late", "never", "last"]);
});
