import { expect, it } from "vitest";
import { queryOf, withView } from "./views";

it("is what the address says of usage, and nothing else of it", () => {
  expect(queryOf("?node=a&range=lastWeek&by=model&of=currency%3Acredits&x=1")).toBe("of=currency%3Acredits&by=model&range=lastWeek");
});

it("has each name once", () => {
  const views = withView(withView([], { name: "b", query: "1" }), { name: "a", query: "2" });
  expect(withView(views, { name: "b", query: "3" })).toEqual([
    { name: "a", query: "2" },
    { name: "b", query: "3" },
  ]);
});
