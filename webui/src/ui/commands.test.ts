import { expect, it } from "vitest";
import { fits } from "./commands";

it.each([
  ["Rate cards", "rate", 0],
  ["Rate cards", "cards", 1],
  ["Rate cards", "ds", 2],
  ["Rate cards", "cards ra", 1],
  ["Rate cards", "", 0],
  ["Rate cards", "keys", null],
])("%s and “%s”", (name, typed, want) => expect(fits(name, typed)).toBe(want));
