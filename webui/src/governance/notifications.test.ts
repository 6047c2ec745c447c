import { expect, test } from "vitest";
import { percentsOf, recipientsOf, toldOf } from "./notifications";

test("recipients are told apart, each once", () => {
  expect(recipientsOf("ann@acme.example, bob@acme.example\nhttps://hooks.slack.com/…abcd ann@acme.example")).toEqual({
    emails: ["ann@acme.example", "bob@acme.example"],
    slackUrls: ["https://hooks.slack.com/…abcd"],
  });
  expect(recipientsOf("  ")).toEqual({ emails: [], slackUrls: [] });
});

test("percentages are whole numbers from 1 to 1000", () => {
  expect(percentsOf("50, 80% 100")).toEqual([50, 80, 100]);
  expect(percentsOf("")).toEqual([]);
  for (const bad of ["0", "1001", "7.5", "x"]) expect(percentsOf(bad)).toBeNull();
});

test("what is told of is said in words", () => {
  expect(toldOf({ thresholds: [80, 100], denials: true, boostRequests: true })).toBe(
    "limits at 80%, 100% · the first request stopped in a period · requests for more",
  );
});
