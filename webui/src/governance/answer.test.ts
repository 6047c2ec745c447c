import { expect, test } from "vitest";
import { warningWords } from "./Answer";

test("a warning names what it is about, and one that is not known is shown as it is", () => {
  const name = (id: string) => ({ tokens: "Tokens" })[id] ?? id;
  expect(warningWords("DIMENSION_NOT_RESOLVED:agent:id", name)).toContain("agent:id names nobody");
  expect(warningWords("DID_YOU_MEAN:agentId=support-bot", name)).toContain("mean support-bot?");
  expect(warningWords("UNGOVERNED:tokens", name)).toContain("use of Tokens");
  expect(warningWords("RATE_NOT_FOUND", name)).toContain("cost 0");
  expect(warningWords("NEW:thing", name)).toBe("NEW:thing");
});
