import { expect, it } from "vitest";
import { addressOf, wishOf } from "./wish";

const keys = new Set(["teamId", "$featureId"]);
const wish = (search: string) => wishOf(search, { by: "", range: "month" }, ["month", "lastWeek", "days"], keys);

it("an address says what is asked, and comes back from it", () => {
  const w = wish("?by=teamId&then=dimension&dimension=region&range=days&first=2026-01-01&last=2026-01-02&compare=no");
  expect(w).toEqual({
    by: "teamId",
    next: "dimension",
    dimension: "region",
    range: "days",
    first: "2026-01-01",
    last: "2026-01-02",
    compare: false,
  });
  expect(wish(new URL(addressOf("https://x.test/usage", w, "feature:f")).search)).toEqual(w);
});

it("a key that is not to choose from is a dimension", () => {
  expect(wish("?by=model&range=never")).toMatchObject({ by: "dimension", next: "", dimension: "model", range: "month" });
  expect(wish("?by=teamId&then=model")).toMatchObject({ by: "teamId", next: "dimension", dimension: "model" });
  expect(wish("?by=model&then=region")).toMatchObject({ by: "dimension", next: "", dimension: "model" });
});
