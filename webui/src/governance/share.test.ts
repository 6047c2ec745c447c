import { expect, it } from "vitest";
import { nano } from "../api/amount";
import { byWeights, evenly, readPercent, scaled } from "./share";

const texts = (list: { text: string }[] | null) => list?.map(x => x.text);

it.each([
  [100, 3, ["33.34", "33.33", "33.33"]],
  [12_600_000, 7, Array(7).fill("1800000")],
  [20_000, 3, ["6667", "6667", "6666"]],
  ["0.000000001", 2, ["0.000000001", "0"]],
  [0, 2, ["0", "0"]],
])("%s in %d equal parts", (total, parts, want) => expect(texts(evenly(total, parts))).toEqual(want));

it("shares as the weights are, and all of it", () => {
  expect(texts(byWeights(1000, [3, 1, 0]))).toEqual(["750", "250", "0"]);
  expect(byWeights(1000, [0, 0])).toBeNull();
  expect(texts(byWeights(1000, [1_000_000, 1, 0]))).toEqual(["999.9", "0.1", "0"]);
  for (const total of ["999999999999999.999999999", "7.3", 1, "123456.789"]) {
    const parts = byWeights(total, [1, "2.5", 977, "0.000000001", 33]) ?? [];
    expect(parts.reduce((a, p) => a + nano(p.text), 0n)).toBe(nano(total));
  }
});

it("takes percentages as they are written", () => {
  expect(readPercent("+10 %")).toBe(10);
  expect(readPercent("-2.5")).toBe(-2.5);
  expect(readPercent("\u22122.5")).toBe(-2.5);
  expect(readPercent("ten")).toBeNull();
  expect(scaled(3, 10).text).toBe("3.3");
});
