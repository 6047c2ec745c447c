import { expect, it } from "vitest";
import { add, nano, sub } from "../api/amount";
import { figuresOf } from "./figures";

it.each([
  ["219.388", 220, ["219.39", "220", "0.61"]],
  ["1300.92", 1400, ["1,301", "1,400", "99"]],
  ["1738.9", 310_000, ["1,739", "310,000", "308,261"]],
  ["345678", 1_200_000, ["346k", "1.2M", "854k"]],
  ["1199988", 1_200_000, ["1,199,988", "1,200,000", "12"]],
  ["6453.8", 1_200_000, ["6,454", "1,200,000", "1,193,546"]],
  ["0.2", 160_000, ["0.2", "160,000", "159,999.8"]],
  [12, 10, ["12", "10", "0"]],
  [0, 0, ["0", "0", "0"]],
  ["999999999999999", "999999999999999", ["999.999T", "999.999T", "0"]],
])("%s of %s", (used, limit, [u, l, r]) => {
  const left = nano(limit) > nano(used) ? sub(limit, used) : 0;
  expect(figuresOf(used, 0, limit, left)).toEqual({ used: u, held: "0", limit: l, remaining: r });
});

it("adds up as shown, whatever is held", () => {
  const value = (text: string) => nano(text.replaceAll(",", ""));
  for (let i = 1; i < 4000; i += 7) {
    const [used, held, left] = [`${i}.${i % 97}3`, i % 3 === 0 ? "0" : `${i % 11}.4${i % 5}`, `${(i * 31) % 4001}.77`];
    const f = figuresOf(used, held, add(add(used, held), left), left);
    expect(value(f.used) + value(f.held) + value(f.remaining), JSON.stringify(f)).toBe(value(f.limit));
    expect(value(f.remaining)).toBeLessThanOrEqual(nano(left));
  }
});
