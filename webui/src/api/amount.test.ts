import { describe, expect, it } from "vitest";
import { add, decimal, formatExact, formatRatio, formatShort, nano, percent } from "./amount";
import { decode, Exact, encode } from "./json";

describe("amounts keep every digit", () => {
  const big = "999999999999999.123456789";
  it("through decode and encode", () => {
    expect(decode(`{"a":${big},"b":1.5,"c":0.1,"d":"${big}","e":[9007199254740993]}`)).toEqual({
      a: big,
      b: 1.5,
      c: 0.1,
      d: big,
      e: ["9007199254740993"],
    });
    expect(encode({ a: new Exact(big), b: 2, c: undefined, d: [new Exact("1")], e: 'x"1' })).toBe(`{"a":${big},"b":2,"d":[1],"e":"x\\"1"}`);
  });
  it("and do not touch digits within strings", () => {
    expect(decode('{"name":"a \\"12345678901234567890\\" b"}')).toEqual({ name: 'a "12345678901234567890" b' });
  });
  it("through arithmetic", () => {
    expect(add(big, "0.000000001")).toBe("999999999999999.12345679");
    expect(decimal(nano("-0.5"))).toBe("-0.5");
    expect(nano(1e-7)).toBe(100n);
    expect(formatExact(big)).toBe("999,999,999,999,999.123456789");
  });
});

describe("formatShort", () => {
  it.each([
    [0, "0"],
    [0.00001, "<0.0001"],
    [0.25, "0.25"],
    [12.345, "12.34"],
    [1234.56, "1,234.5"],
    [9999.99, "9,999.9"],
    [12_345, "12.3k"],
    [999_999, "999k"],
    [1_200_000, "1.2M"],
    [14_000_000, "14M"],
    ["123456789012345", "123T"],
    [-12_345, "-12.3k"],
  ])("%s is %s", (a, want) => expect(formatShort(a)).toBe(want));
});

it("does not show 99.99 % as full", () => {
  expect(formatRatio(0.9999)).toBe("99%");
  expect(formatRatio(0.001)).toBe("<1%");
  expect(formatRatio(1)).toBe("100%");
  expect(percent(1, 0)).toBe(100);
  expect(percent(1, 3)).toBe(33.33);
});
