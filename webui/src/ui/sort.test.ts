import { expect, it } from "vitest";
import { sorted } from "./Sort";

it("sorts names as people do, amounts exactly, and keeps what is alike as it was", () => {
  expect(sorted(["b10", "B2", "a"], x => x, false)).toEqual(["a", "B2", "b10"]);
  expect(sorted([10n ** 20n, 1n, 10n ** 20n + 1n], x => x, true)).toEqual([10n ** 20n + 1n, 10n ** 20n, 1n]);
  const rows = [{ n: 1 }, { n: null }, { n: 1 }, { n: 0 }];
  for (const down of [true, false]) expect(sorted(rows, r => r.n, down).at(-1)).toBe(rows[1]);
  expect(sorted(rows, r => r.n, true)[0]).toBe(rows[0]);
});
